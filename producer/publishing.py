"""From the simulation to the log: payments, the reports about them, the users, and broken messages where asked for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import msgspec

from fraud.decision import moment
from fraud.schema import Label
from producer.crowd import Crowd, window_seconds, windows
from producer.malformed import broken
from producer.pacing import Clock, Pace, ahead
from producer.payments import Payment
from producer.population import Population
from producer.stream import Reports, events
from storage.logs.log import LABELS, TRANSACTIONS, USERS, Publisher

_CAUGHT_UP = timedelta(seconds=5)
_LEAD = 1.0
"""Seconds until the first payment is due, so that it is ready by then."""

OnAck = Callable[[int, int, int], None]


@dataclass(slots=True, kw_only=True)
class Sent:
    """What was handed over so far."""

    payments: int = 0
    backfilled: int = 0
    """Of the payments."""
    broken: int = 0
    labels: int = 0
    users: int = 0
    rate: float | None = None
    """Live payments per second, achieved."""
    send_delay_ms: dict[str, float] = field(default_factory=dict)
    """How much later than due live payments were handed over."""
    interrupted: bool = False


class Sender:
    """Writes events to their topics, keyed by user, so that a user's payments keep their order."""

    def __init__(
        self,
        publisher: Publisher,
        population: Population,
        *,
        malformed: float = 0.0,
        on_sending: Callable[[], OnAck | None] = lambda: None,
    ) -> None:
        """`on_sending` is asked for a callback right before each message to the payments' topic is sent."""
        self.sent = Sent()
        self._publisher = publisher
        self._population = population
        self._odds = malformed / (1.0 - malformed)
        self._random = Random(population.seed)  # noqa: S311  # a simulation, no secret
        self._on_sending = on_sending
        self._encoder = msgspec.json.Encoder()
        self._introduced: set[str] = set()
        self._last_known = f"u{population.users - 1:06d}"

    def payment(self, payment: Payment) -> None:
        """One payment; before a user's first one, who the user is; after some, a broken message."""
        transaction = payment.transaction
        user = transaction.user_id
        if user not in self._introduced and self._is_known(user):
            self._introduce(user)
        key = user.encode()
        self._publisher.send(TRANSACTIONS, key, self._encoder.encode(transaction), self._on_sending())
        self.sent.payments += 1
        if self._odds and self._random.random() < self._odds:
            self._publisher.send(TRANSACTIONS, key, broken(transaction, self._random), self._on_sending())
            self.sent.broken += 1

    def label(self, label: Label) -> None:
        """One report."""
        self._publisher.send(LABELS, label.user_id.encode(), self._encoder.encode(label))
        self.sent.labels += 1

    def _is_known(self, user: str) -> bool:
        """Further users, drawn for the rate alone, stay without a name: there may be millions."""
        return (len(user), user) <= (len(self._last_known), self._last_known)

    def _introduce(self, user: str) -> None:
        index = int(user[1:])
        [described] = self._population.describe(index, index + 1)
        self._publisher.send(USERS, user.encode(), self._encoder.encode(described))
        self._introduced.add(user)
        self.sent.users += 1


def backfill(
    sender: Sender,
    population: Population,
    length: timedelta,
    clock: Clock,
    on_progress: Callable[[int], None] = lambda _count: None,
) -> Reports:
    """Send what the population paid in the time before now, as fast as the log takes it, until it is now.

    The answer holds the reports that are still to come.
    """
    reports = Reports()
    since = _now(clock) - length
    while (until := _now(clock)) - since > _CAUGHT_UP:
        for event in events(population, since, until, reports):
            if clock.is_stopped:
                return reports
            if isinstance(event, Label):
                sender.label(event)
            else:
                sender.payment(event)
                sender.sent.backfilled += 1
                on_progress(1)
        since = until
    return reports


def _now(clock: Clock) -> datetime:
    return moment(round(clock.now() * 1_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """How live payments are sent."""

    rate: float
    """Payments per second of real time."""
    seconds: float | None
    """None: until interrupted."""
    speedup: float = 1.0
    """Simulated seconds per real second."""


def live(
    sender: Sender,
    population: Population,
    how: Live,
    clock: Clock,
    reports: Reports,
    on_progress: Callable[[int], None] = lambda _count: None,
) -> None:
    """Send at a rate; event times are when each payment is due, so they are now, and end now where time runs faster."""
    _warm_up(population, how, clock)
    start = clock.now() + _LEAD
    simulated = start if how.seconds is None else start - how.seconds * (how.speedup - 1.0)
    crowd = Crowd(population, round(simulated * 1_000_000))
    drafts = windows(crowd, how.rate, how.speedup, how.seconds)
    pace = Pace(how.rate, clock, start)
    try:
        for chunk in ahead(chunk for window in drafts for chunk in population.made(window)):
            if not _send(sender, chunk, pace, reports, on_progress):
                return
    finally:
        sender.sent.rate = round(pace.rate(), 2)
        sender.sent.send_delay_ms = pace.delays_ms()


def _warm_up(population: Population, how: Live, clock: Clock) -> None:
    """Make payments that nobody gets: the first real ones shall not wait for tables and names."""
    crowd = Crowd(population, round(clock.now() * 1_000_000))
    for window in windows(crowd, how.rate, how.speedup, window_seconds(how.rate, how.speedup)):
        for _ in population.made(window):
            pass


def _send(
    sender: Sender, payments: Iterable[Payment], pace: Pace, reports: Reports, on_progress: Callable[[int], None]
) -> bool:
    """Each when it is due, after the reports that are known by then; False when the clock was stopped."""
    for payment in payments:
        if not pace.wait():
            return False
        for label in reports.until(payment.transaction.event_time):
            sender.label(label)
        sender.payment(payment)
        if payment.truth.label is not None:
            reports.add(payment.truth.label)
        on_progress(1)
    return True


def natural_rate(population: Population, now: datetime) -> float:
    """Payments per second of real time that the population makes by itself, over a week."""
    return population.users * population.per_day(now - timedelta(days=7), now) / 86_400
