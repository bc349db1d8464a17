"""Years of history as Parquet: every month from the seed alone, so that months may be made in any order and any process."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fraud.schema import Label, Transaction
from producer.payments import Payment
from producer.population import Population
from storage import labels
from storage.history import HistoryWriter

Month = tuple[int, int]


def write_history(
    population: Population,
    start: datetime,
    end: datetime,
    root: str | Path,
    on_progress: Callable[[int], None] = lambda _count: None,
    *,
    reported_until: datetime | None = None,
) -> int:
    """Write payments with start <= event_time < end, and the labels about them, under `root`; the answer counts payments.

    Labels reported after `reported_until` are left out (None: all of them, whenever they come). What was written can be read in
    order of event time with `storage.history.read_tables`, and is what `producer.stream.events` gives for the same span.
    """
    writer = HistoryWriter(root, seed=population.seed)
    count = 0
    for year, month in months(start, end):
        known: list[Label] = []
        first, last = month_span(year, month)
        chunks = population.payments(max(first, start), min(last, end))
        count += writer.write_month(year, month, _transactions(chunks, known), on_progress)
        labels.write(
            root,
            f"{year:04d}-{month:02d}",
            [label for label in known if reported_until is None or label.reported_at <= reported_until],
        )
    return count


def users_for(seed: int, fraud_share: float, start: datetime, end: datetime, transactions: int) -> int:
    """How many users make about so many payments in a span."""
    sample = Population(seed=seed, users=400, fraud_share=fraud_share)
    days = (end - start).total_seconds() / 86_400
    return max(round(transactions / (sample.per_day(start, end) * days)), 1)


def months(start: datetime, end: datetime) -> Iterator[Month]:
    """Every month (UTC) that a span touches."""
    year, month = start.year, start.month
    while datetime(year, month, 1, tzinfo=UTC) < end:
        yield year, month
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def month_span(year: int, month: int) -> tuple[datetime, datetime]:
    """First moment of a month, and of the next one."""
    following = (year, month + 1) if month < 12 else (year + 1, 1)
    return datetime(year, month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)


def _transactions(chunks: Iterator[list[Payment]], known: list[Label]) -> Iterator[Sequence[Transaction]]:
    """Pass on the transactions and put the labels aside."""
    for chunk in chunks:
        known.extend(payment.truth.label for payment in chunk if payment.truth.label is not None)
        yield [payment.transaction for payment in chunk]
