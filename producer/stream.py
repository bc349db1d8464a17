"""One stream in order of time: payments of a population, and the reports about them when they become known."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from fraud.schema import Label
from producer.payments import Payment
from producer.population import Population

_CHUNK = timedelta(days=1)

Event = Payment | Label


class Reports:
    """Labels that are not known yet, handed out as time passes."""

    def __init__(self) -> None:
        """Nothing is waiting."""
        self._waiting: list[tuple[datetime, int, Label]] = []
        self._count = 0

    def __len__(self) -> int:
        """Labels still to come."""
        return len(self._waiting)

    def add(self, label: Label) -> None:
        """Keep a label until its `reported_at`."""
        self._count += 1
        heapq.heappush(self._waiting, (label.reported_at, self._count, label))

    def until(self, moment: datetime) -> Iterator[Label]:
        """Labels reported at or before a moment, each once, in the order of their reports."""
        while self._waiting and self._waiting[0][0] <= moment:
            yield heapq.heappop(self._waiting)[2]


def payments(population: Population, since: datetime, until: datetime) -> Iterator[Payment]:
    """Payments with since <= event_time < until in order of time, drawn day by day."""
    start = since
    while start < until:
        end = min(start + _CHUNK, until)
        for chunk in population.payments(start, end):
            yield from chunk
        start = end


def with_reports(payments: Iterable[Payment], reports: Reports, until: datetime | None = None) -> Iterator[Event]:
    """Payments with the reports about them between them; reports after `until` stay in `reports`."""
    for payment in payments:
        yield from reports.until(payment.transaction.event_time)
        yield payment
        if payment.truth.label is not None:
            reports.add(payment.truth.label)
    if until is not None:
        yield from reports.until(until)


def events(population: Population, since: datetime, until: datetime, reports: Reports | None = None) -> Iterator[Event]:
    """Everything that happens in since <= t < until, in order: payments, and reports about them that arrive by then.

    `reports` may hold earlier ones, and keeps those that come later.
    """
    return with_reports(payments(population, since, until), Reports() if reports is None else reports, until)
