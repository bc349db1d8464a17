"""`fraud produce`: simulated payments, or those of a file, onto the log."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from cli.connect import open_log, open_store, process_name, speak
from cli.progress import progress
from cli.quantities import duration as duration_of
from cli.quantities import share
from cli.settings import Settings
from cli.termination import terminated_like_interrupted
from fraud.errors import FraudError, UsageError
from producer import foreign
from producer.heartbeats import Heartbeats
from producer.pacing import Clock
from producer.population import Population
from producer.publishing import Live, Sender, backfill, live, natural_rate
from producer.stream import Reports
from producer.watching import Watch
from storage.flags.flag_store import FlagStore
from storage.logs.log import TRANSACTIONS, Log

DEFAULT_RATE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked of the simulation."""

    population: Population
    rate: float | None
    length: timedelta | None
    backfill: timedelta | None
    speedup: float
    malformed: float
    measure: bool


def produce(
    tps: Annotated[
        float | None,
        typer.Option(min=0.001, help="Payments per second. Default: 10, or with --speedup what --users make."),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long: 60s, 2h. Default: until Ctrl-C.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="Users; a higher rate draws further ones.")] = 20_000,
    backfill: Annotated[
        str | None, typer.Option(metavar="TIME", help="First send what they paid in this time before now: 14d.")
    ] = None,
    speedup: Annotated[
        str | None, typer.Option(metavar="N", help="Simulated seconds per second; with --from also `max`.")
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Watch the store: latency, lost, duplicates.")] = False,
    malformed: Annotated[str, typer.Option(metavar="SHARE", help="Share of broken messages: 1%.")] = "0",
    fraud: Annotated[str, typer.Option("--fraud", metavar="SHARE", help="Share of payments that are fraud.")] = "0.4%",
    seed: Annotated[int, typer.Option(help="Who the users are and what they do.")] = 7,
    file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Replay a Parquet or CSV file instead.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(metavar="YAML", help="Which columns of FILE are what.")] = None,
    shift_to: Annotated[
        str | None, typer.Option(metavar="now", help="Move FILE's times so that its last payment is now.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="Only the first days of FILE.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Send simulated payments at a rate, or those of a file.

    They are keyed by user; reports about them follow when they become known.
    The log and the store are those of FRAUD_LOG and FRAUD_STORE. Ctrl-C sends what is on its way and reports.

    Example: fraud produce --tps 1000 --duration 60s --measure

    Example: fraud produce --from payments.parquet --mapping config/mappings/handbook.yaml --speedup max
    """
    settings = Settings()
    speak(settings)
    if file is not None:
        report = _replay(settings, file, mapping, speedup, shift_to, days)
    elif mapping is not None or shift_to is not None or days is not None:
        raise UsageError("--mapping, --shift-to and --days belong to --from FILE")
    else:
        length = None if duration is None else duration_of(duration, "--duration")
        wish = Wish(
            population=Population(seed=seed, users=users, fraud_share=share(fraud, "--fraud")),
            rate=tps,
            length=length,
            backfill=None if backfill is None else duration_of(backfill, "--backfill"),
            speedup=_speedup(speedup, length),
            malformed=share(malformed, "--malformed"),
            measure=measure,
        )
        report = _simulate(settings, wish)
    typer.echo(json.dumps(report, default=str) if as_json else _in_words(report))


def _speedup(text: str | None, length: timedelta | None) -> float:
    if text is None:
        return 1.0
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= 1e6:
        raise UsageError(f"--speedup is {text!r}: expected a number from 1 on (`max` needs --from FILE)")
    if length is None and factor > 1:
        raise UsageError("--speedup needs --duration: simulated time starts so far back that it ends now")
    return factor


def _simulate(settings: Settings, wish: Wish) -> dict[str, Any]:
    clock = Clock()
    with ExitStack() as stack:
        log = open_log(settings)
        stack.callback(log.close)
        log.partitions(TRANSACTIONS)  # says what to do when there is none
        store = _store(settings, needed=wish.measure)
        if store is not None:
            stack.callback(store.close)
        watch = _watch(settings, wish, log, store)
        publisher = log.publisher()
        stack.callback(publisher.close)
        sender = Sender(
            publisher,
            wish.population,
            malformed=wish.malformed,
            on_sending=watch.sending if watch else lambda: None,
        )
        stack.enter_context(stopped_by_signals(clock))
        if store is not None:
            beats = Heartbeats(
                store,
                process_name("producer", settings),
                log.topic_id(TRANSACTIONS),
                settings.group,
                lambda: asdict(sender.sent),
            )
            stack.enter_context(beats)
        _send(sender, wish, clock)
        publisher.flush()
        sender.sent.interrupted = clock.is_stopped
        measured = watch.finish(lambda: False) if watch else None
    return asdict(sender.sent) | ({} if measured is None else {"measured": asdict(measured)})


def _send(sender: Sender, wish: Wish, clock: Clock) -> None:
    reports = Reports()
    if wish.backfill is not None:
        with progress("backfill") as advance:
            reports = backfill(sender, wish.population, wish.backfill, clock, advance)
    if clock.is_stopped:
        return
    rate = wish.rate
    if rate is None and wish.speedup == 1.0:
        rate = DEFAULT_RATE
    elif rate is None:
        rate = natural_rate(wish.population, datetime.now(UTC)) * wish.speedup
    seconds = None if wish.length is None else wish.length.total_seconds()
    total = None if seconds is None else round(rate * seconds)
    with progress(f"live, {rate:,.1f}/s", total) as advance:
        live(sender, wish.population, Live(rate=rate, seconds=seconds, speedup=wish.speedup), clock, reports, advance)


def _store(settings: Settings, *, needed: bool) -> FlagStore | None:
    """The store, where it is there: only --measure cannot do without."""
    try:
        return open_store(settings)
    except FraudError:
        if needed:
            raise
        return None


def _watch(settings: Settings, wish: Wish, log: Log, store: FlagStore | None) -> Watch | None:
    if not wish.measure or store is None:
        return None
    store.heartbeats()  # says at once when nobody answers
    watch = Watch(store, log.topic_id(TRANSACTIONS), settings.group)
    watch.start()
    return watch


@contextmanager
def stopped_by_signals(clock: Clock) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends sending; the next one acts as ever."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        clock.stop()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


def _replay(
    settings: Settings, file: Path, mapping: Path | None, speedup: str | None, shift_to: str | None, days: float | None
) -> dict[str, Any]:
    if mapping is None:
        raise UsageError(f"--from {file} needs --mapping YAML: which column is what")
    if shift_to not in (None, "now"):
        raise UsageError(f"--shift-to is {shift_to!r}: only `now` is known")
    if not file.is_file():
        raise UsageError(f"--from {file}: there is no such file")
    key = settings.token_key
    log = open_log(settings)
    with ExitStack() as stack:
        stack.callback(log.close)
        log.partitions(TRANSACTIONS)
        publisher = log.publisher()
        stack.callback(publisher.close)
        advance = stack.enter_context(progress(f"replay of {file.name}"))
        with terminated_like_interrupted():
            report = foreign.replay(
                file,
                mapping,
                publisher,
                speedup=None if speedup == "max" else _speedup(speedup, timedelta(0)),
                shift_to_now=shift_to == "now",
                limit=None if days is None else timedelta(days=days),
                on_progress=advance,
                key=None if key is None else key.get_secret_value().encode(),
            )
    return asdict(report)


def _in_words(report: dict[str, Any]) -> str:
    """One line for each thing that is worth one."""
    lines = [f"sent {report['payments']:,} payments, {report['labels']:,} labels"]
    if report.get("backfilled"):
        lines[0] += f", {report['backfilled']:,} of the payments as backfill"
    if report.get("broken"):
        lines[0] += f", {report['broken']:,} broken messages"
    if report.get("rate"):
        lines.append(f"rate {report['rate']:,.1f} payments/s, send delay {_quantiles(report['send_delay_ms'])}")
    if "seconds" in report:
        lines.append(f"{report['seconds']:.1f} s, event times {report['first']} to {report['last']}")
    lines.extend(report.get("notes", ()))
    if "measured" in report:
        lines.extend(_measured_in_words(report["measured"]))
    if report["interrupted"]:
        lines.append("interrupted: everything sent is in the log")
    return "\n".join(lines)


def _measured_in_words(measured: dict[str, Any]) -> Iterator[str]:
    yield f"send → flag readable {_quantiles(measured['send_to_readable_ms'])} ({measured['timed']:,} flags)"
    yield (
        f"acknowledged {measured['acknowledged']:,}, accounted {measured['accounted']:,}, lost {measured['lost']:,}, "
        f"flags {measured['flags']:,} of {measured['flagged']:,} counted, missing {measured['flags_missing']:,}, "
        f"duplicates {measured['duplicates']:,}"
    )
    if measured["dead"]:
        yield "dead letters: " + ", ".join(
            f"{reason} {number:,}" for reason, number in sorted(measured["dead"].items())
        )


def _quantiles(milliseconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.1f} ms" for name, value in milliseconds.items()) or "not known"
