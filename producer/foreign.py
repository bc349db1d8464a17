"""Replay of a foreign file: its payments onto the log at their own pace or faster, its labels once they were known."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path

import msgspec
import structlog

from fraud.decision import micros, moment
from fraud.schema import Label, Transaction
from storage.foreign_stream import ForeignPayments
from storage.logs.log import LABELS, TRANSACTIONS, Publisher

log = structlog.get_logger()
_ENCODE = msgspec.json.Encoder().encode
_STEP = 1_000
_LONG_PAUSE = 0.2
"""Seconds: before a longer one the publisher is flushed, so that nothing waits in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What was sent, and what could not be taken over."""

    payments: int
    labels: int
    labels_open: int
    """Labels that replayed time did not reach; they were not sent."""
    first: datetime | None
    """Event time of the first payment sent, as sent."""
    last: datetime | None
    seconds: float
    interrupted: bool
    notes: tuple[str, ...]
    """One line each: left out, left empty, rounded, not carried."""


def replay(
    path: Path,
    mapping: Path,
    publisher: Publisher,
    *,
    speedup: float | None,
    shift_to_now: bool,
    limit: timedelta | None,
    on_progress: Callable[[int], None] | None,
    key: bytes | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> ReplayReport:
    """Send a file's payments in order of time, `speedup` times as fast as they happened; None is as fast as the log takes them.

    `shift_to_now` moves all moments so that the last payment falls on the moment it is due to be sent (with `speedup` None,
    when that is not known, on the start). `limit` takes so much time from the first payment on. A label goes out once the
    replayed time passes its `reported_at`. An interrupt flushes and reports. Raises MappingError for what does not fit.
    """
    payments = ForeignPayments(path, mapping, key=key, limit=limit)
    if payments.not_carried is not None:
        log.warning("not_carried", reason=payments.not_carried)
    started = clock()
    first, last = payments.survey.first or 0, payments.survey.last
    duration = 0 if speedup is None else round((last - first) / speedup)
    shift = micros(started) + duration - last if shift_to_now else 0
    pace = None if speedup is None else Pace(started, moment(first + shift), speedup, clock, sleep, publisher.flush)
    sender = Sender(publisher, pace, on_progress)
    interrupted = _interrupted(sender, payments, shift)
    publisher.flush()
    notes = [*payments.notes(), *filter(None, [payments.not_carried])]
    return sender.report(seconds=(clock() - started).total_seconds(), interrupted=interrupted, notes=tuple(notes))


def _interrupted(sender: "Sender", payments: ForeignPayments, shift: int) -> bool:
    try:
        for part in payments.translated(shift):
            sender.send(part.transactions, part.labels)
        sender.end()
    except KeyboardInterrupt:
        return True
    return False


@dataclass(slots=True)
class Pace:
    """Waits until a payment or label is due."""

    started: datetime
    first: datetime
    speedup: float
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    flush: Callable[[], None]
    _elapsed: float = 0.0

    def wait(self, moment: datetime) -> None:
        """Return when replayed time reaches a moment."""
        due = (moment - self.first).total_seconds() / self.speedup
        if due <= self._elapsed:
            return
        self._elapsed = (self.clock() - self.started).total_seconds()
        if due - self._elapsed > _LONG_PAUSE:
            self.flush()
            self._elapsed = (self.clock() - self.started).total_seconds()
        if due > self._elapsed:
            self.sleep(due - self._elapsed)


@dataclass(slots=True)
class Sender:
    """Sends payments, and labels when their time has come."""

    publisher: Publisher
    pace: Pace | None
    on_progress: Callable[[int], None] | None
    payments: int = 0
    labels: int = 0
    first: datetime | None = None
    last: datetime | None = None
    _waiting: list[tuple[datetime, int, Label]] = field(default_factory=list)
    _arrived: int = 0

    def send(self, transactions: Iterable[Transaction], labels: Iterable[Label]) -> None:
        """Payments in order of time, with what becomes known of them later."""
        for label in labels:
            self._arrived += 1  # keeps equal moments in the file's order
            heappush(self._waiting, (label.reported_at, self._arrived, label))
        for transaction in transactions:
            self._send_labels_before(transaction.event_time)
            self._wait(transaction.event_time)
            self.publisher.send(TRANSACTIONS, transaction.user_id.encode(), _ENCODE(transaction))
            self.first = self.first or transaction.event_time
            self.last = transaction.event_time
            self.payments += 1
            if self.on_progress is not None and self.payments % _STEP == 0:
                self.on_progress(_STEP)

    def end(self) -> None:
        """The last payment is sent: what was known at its moment goes out, and progress is complete."""
        if self.last is not None:
            self._send_labels_before(self.last + timedelta(microseconds=1))
        if self.on_progress is not None:
            self.on_progress(self.payments % _STEP)

    def report(self, *, seconds: float, interrupted: bool, notes: tuple[str, ...]) -> ReplayReport:
        """How it went."""
        return ReplayReport(
            payments=self.payments,
            labels=self.labels,
            labels_open=len(self._waiting),
            first=self.first,
            last=self.last,
            seconds=seconds,
            interrupted=interrupted,
            notes=notes,
        )

    def _wait(self, due: datetime) -> None:
        if self.pace is not None:
            self.pace.wait(due)

    def _send_labels_before(self, event_time: datetime) -> None:
        while self._waiting and self._waiting[0][0] < event_time:
            label = heappop(self._waiting)[2]
            self._wait(label.reported_at)
            self.publisher.send(LABELS, label.user_id.encode(), _ENCODE(label))
            self.labels += 1
