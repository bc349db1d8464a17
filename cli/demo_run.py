"""The demonstration without a screen: the same road in an empty folder under a simulated clock, and what it came to."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from cli.connect import open_store
from cli.consume import build
from cli.demo_road import HISTORY, DemoRoad, settings_in
from cli.progress import progress
from cli.settings import Settings
from consumer.loop import Loop
from fraud.schema import Label, LabelValue, Transaction
from models.evaluate import case_figures
from models.promotion import promote
from producer.payments import Payment
from producer.population import Population
from producer.stream import Reports, with_reports
from producer.stream import payments as stream_of
from storage.flags.flag_store import FlagFilter, FlagStore

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
"""The Monday on which every headless demonstration begins."""
LONGEST = timedelta(days=3650)


@dataclass(slots=True)
class Witness:
    """Lets payments pass, and keeps what only the simulation knows of them."""

    truths: list[dict[str, Any]] = field(default_factory=list)

    def watching(self, payments: Iterator[Payment]) -> Iterator[Payment]:
        """The same payments."""
        for payment in payments:
            if payment.truth.fraud or payment.truth.label is not None:
                self.truths.append(_truth(payment))
            yield payment

    def frame(self) -> pd.DataFrame:
        """For `models.evaluate.case_figures`."""
        return pd.DataFrame(self.truths, columns=["user_id", "transaction_id", "event_time", "label"])


def run(folder: Path, *, users: int, seed: int, events: int, quiet: bool) -> dict[str, Any]:
    """History, training, then `events` payments under the model; the figures are about those alone."""
    road = DemoRoad(
        settings=settings_in(folder, Settings()),
        population=Population(seed=seed, users=users),
        start=BEGIN,
        end=BEGIN + HISTORY,
    )
    store = open_store(road.settings)
    store.prepare()
    with progress("Writing history", quiet=quiet) as advance:
        count = road.write_history(advance)
    road.open()
    with progress("Publishing history", count, quiet=quiet) as advance:
        road.publish_history(advance)
    with progress("Training", quiet=quiet) as advance:
        model = road.train(advance)
    promote(road.log, road.settings.data_dir, model)
    witness = Witness()
    with progress("Publishing payments", events, quiet=quiet) as advance:
        road.publish(_payments(road, witness, events), advance)
    loop = _consumer(road, store)
    with progress("Deciding history", count, quiet=quiet) as advance:
        _consume(loop, count, advance)
    before = loop.status.seen, loop.status.decided, loop.status.duplicates, sum(loop.status.dead.values())
    with progress("Deciding payments", events, quiet=quiet) as advance:
        seconds = _consume(loop, count + events, advance)
    loop.close()
    figures = _figures(store, road, witness)
    status = loop.status
    return {
        "events": status.seen - before[0],
        "decided": status.decided - before[1],
        "duplicates": status.duplicates - before[2],
        "dead_letters": sum(status.dead.values()) - before[3],
        **figures,
        "events_per_second": round((status.seen - before[0]) / seconds),
    }


def _payments(road: DemoRoad, witness: Witness, count: int) -> Iterator[Transaction | Label]:
    stream = stream_of(road.population, road.end, road.end + LONGEST)
    for event in with_reports(witness.watching(islice(stream, count)), Reports()):
        yield event if isinstance(event, Label) else event.transaction


def _consumer(road: DemoRoad, store: FlagStore) -> Loop:
    return build(road.settings, road.log, store, watch=False)


def _consume(loop: Loop, until: int, advance: Any) -> float:
    """Run until so many payments were seen in all; seconds it took."""
    seen = loop.status.seen
    loop.max_records = min(loop.max_records, until - seen)

    def reached(status: Any) -> bool:
        nonlocal seen
        advance(status.seen - seen)
        seen = status.seen
        loop.max_records = max(1, min(5_000, until - seen))
        return bool(seen >= until)

    loop.until = reached
    started = time.perf_counter()
    loop.run()
    return time.perf_counter() - started


def _figures(store: FlagStore, road: DemoRoad, witness: Witness) -> dict[str, Any]:
    flags = list(_flags(store, road.end))
    frame = pd.DataFrame(
        [(flag["user_id"], flag["transaction"]["transaction_id"], flag["event_time"]) for flag in flags],
        columns=["user_id", "transaction_id", "event_time"],
    )
    cases = case_figures(frame, witness.frame())
    rules = Counter(hit["rule"] for flag in flags for hit in flag["hits"] if hit["mode"] == "live")
    return {
        "flags": len(flags),
        "flags_sha256": _sha256(flags),
        "flags_by_rule": dict(sorted(rules.items())),
        "cases": cases.cases,
        "case_recall": _rounded(cases.case_recall),
        "false_positive_ratio": _rounded(cases.false_positive_ratio),
    }


def _flags(store: FlagStore, since: datetime) -> Iterator[dict[str, Any]]:
    wanted = FlagFilter(since=since, until=since + LONGEST)
    at, step = 0, 5_000
    while page := store.flags(wanted, step, at):
        yield from page
        at += step


def _sha256(flags: list[dict[str, Any]]) -> str:
    """Over the flags by id, without when they were decided and in which log."""
    digest = hashlib.sha256()
    for flag in sorted(flags, key=lambda flag: str(flag["_id"])):
        told = {name: value for name, value in flag.items() if name not in {"decided_at", "log_id"}}
        digest.update(msgspec.json.encode(told, order="sorted"))
    return digest.hexdigest()


def _truth(payment: Payment) -> dict[str, Any]:
    label = payment.truth.label
    if payment.truth.fraud:
        said = LabelValue.FRAUD
    elif label is not None and label.label is LabelValue.FIRST_PARTY:
        said = LabelValue.FIRST_PARTY
    else:
        said = LabelValue.LEGITIMATE
    transaction = payment.transaction
    return {
        "user_id": transaction.user_id,
        "transaction_id": transaction.transaction_id,
        "event_time": transaction.event_time.astimezone(UTC),
        "label": said.value,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
