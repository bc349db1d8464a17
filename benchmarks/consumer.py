"""CPU per payment of the whole consumer with and without failpoints and checkpoints: `make bench-consumer`.

One embedded log holds payments at 1,000 a second of append time; every run decides it from the beginning in a process of its
own, in polls of as many payments as come in a tenth of a second, into SQLite. Checkpoints fall due by that simulated clock, as
they would at 1,000 payments a second. Variants take turns, so that a machine that slows down slows all of them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from structlog.testing import capture_logs

from cli.connect import open_log, open_store, topics
from cli.settings import Settings
from consumer.status import Status
from fraud.decision import micros, moment
from fraud.policy import DELAY, Policy
from fraud.rule_file import rule_set_of
from storage import failpoints
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import TRANSACTIONS
from storage.policies import publish

RATE: Final = 1_000
"""Payments a second of append time."""
BATCH: Final = 100
RULES = Path("config/rules.yaml")
PLAIN, WITH_FAILPOINTS, WITH_BOTH = "neither", "failpoints", "failpoints and checkpoints"
VARIANTS: Final = (PLAIN, WITH_FAILPOINTS, WITH_BOTH)


def main() -> None:
    """Print one table, or JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--payments", type=int, default=1_000_000)
    arguments.add_argument("--users", type=int, default=500_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--measure", nargs=3, metavar=("FOLDER", "VARIANT", "GROUP"), help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.measure:
        folder, variant, group = asked.measure
        print(json.dumps(measured(settings_in(Path(folder), group), variant)))
        return
    with tempfile.TemporaryDirectory() as folder:
        fill(settings_in(Path(folder), "nobody"), asked.payments, asked.users)
        rows = compared(Path(folder), asked.rounds)
    print(json.dumps(rows) if asked.json else _table(rows, asked.payments))


def settings_in(folder: Path, group: str) -> Settings:
    """A log that all groups share; a store and checkpoints of the group's own."""
    return Settings(
        log=f"embedded:{folder}/log", store=f"sqlite:///{folder}/{group}.db", data_dir=str(folder), group=group
    )


def fill(settings: Settings, payments: int, users: int) -> None:
    """Topics, the shipped rules as the first policy, then payments at RATE."""
    begin = micros(moment(int(time.time() * 1e6)) - timedelta(seconds=payments / RATE + 60))
    clock = [begin]
    log = EmbeddedLog(Path(settings.log.removeprefix("embedded:")), clock=lambda: clock[0])
    log.create(topics(settings))
    rules = rule_set_of(RULES.read_text(encoding="utf-8"), str(RULES))
    publish(log, lambda _base: Policy(rules=rules))
    clock[0] += DELAY // timedelta(microseconds=1)
    publisher = log.publisher()
    for payment in _payments(payments, users, clock):
        publisher.send(TRANSACTIONS, payment["user_id"].encode(), msgspec.json.encode(payment))
    publisher.close()
    log.close()


def _payments(count: int, users: int, clock: list[int]) -> Iterator[dict[str, Any]]:
    """Purchases of users at random, made when they are received."""
    random = np.random.default_rng(7)
    who = random.integers(users, size=count).tolist()
    amounts = np.round(random.lognormal(3.2, 0.5, size=count), 2).tolist()
    shops = random.integers(4_000, size=count).tolist()
    for number in range(count):
        clock[0] += 1_000_000 // RATE
        yield {
            "transaction_id": f"t-{number}",
            "user_id": f"u-{who[number]}",
            "event_time": moment(clock[0]),
            "amount": amounts[number],
            "currency": "EUR",
            "merchant_id": f"m-{shops[number]}",
            "channel": "pos",
            "country": "BE",
        }


def compared(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Every variant in turn, as often as there are rounds."""
    runs: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    for turn in range(rounds):
        for place, variant in enumerate(VARIANTS):
            command = ["-m", "benchmarks.consumer", "--measure", str(folder), variant, f"run-{turn}-{place}"]
            said = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True).stdout
            runs[variant].append(json.loads(said))
    plain = float(np.median([run["cpu_us"] for run in runs[PLAIN]]))
    return [
        {
            "variant": variant,
            "cpu_us": [round(run["cpu_us"], 2) for run in done],
            "ratio": round(float(np.median([run["cpu_us"] for run in done])) / plain, 3),
            "checkpoints": done[0]["checkpoints"],
            "flags": done[0]["flags"],
        }
        for variant, done in runs.items()
    ]


def measured(settings: Settings, variant: str) -> dict[str, float]:
    """One run over the whole log: CPU microseconds per payment of the process, all threads."""
    if variant == PLAIN:
        failpoints.reached = _nothing  # type: ignore[assignment] # a function of another name
    from cli.consume import build  # binds `reached` when it is imported

    log, store = open_log(settings), open_store(settings)
    store.prepare()
    loop = build(settings.model_copy(update={"batch_size": BATCH}), log, store, watch=False)
    if variant == WITH_BOTH:
        loop.checkpointing.monotonic = lambda: loop.status.seen / RATE
    else:
        loop.checkpointing.monotonic, loop.checkpointing.replay_seconds = lambda: 0.0, float("inf")
    waiting = sum(log.bounds(TRANSACTIONS, partition)[1] for partition in range(settings.partitions))
    ended: list[float] = []

    def is_over(status: Status) -> bool:
        if status.seen >= waiting:
            ended.append(time.process_time())
        return bool(ended)

    loop.until = is_over
    begun = time.process_time()
    with capture_logs() as said:
        loop.run()
    loop.close()
    at_the_end = settings.partitions  # a clean end writes each once more, which is not measured
    written = sum(one["event"] == "checkpoint_written" for one in said) - at_the_end
    return {"cpu_us": (ended[0] - begun) / waiting * 1e6, "checkpoints": written, "flags": loop.status.flagged}


def _nothing(_point: str) -> None:
    """What a failpoint costs where there is none."""


def _table(rows: list[dict[str, Any]], payments: int) -> str:
    head = f"CPU us per payment over {payments:,} payments in polls of {BATCH}\n"
    head += f"{'with':<28}{'median':>8}{'runs':>26}{'ratio':>8}{'checkpoints':>13}\n"
    return head + "\n".join(
        f"{row['variant']:<28}{float(np.median(row['cpu_us'])):>8.2f}{', '.join(map(str, row['cpu_us'])):>26}"
        f"{row['ratio']:>8.3f}{row['checkpoints']:>13}"
        for row in rows
    )


if __name__ == "__main__":
    main()
