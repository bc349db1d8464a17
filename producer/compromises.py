"""Which users fall victim to fraud, when, to whom, and when that is reported: drawn from the user and the calendar month.

A compromised card lives until it is reported; some days later the user gets a new one with a new token.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from fraud.columns import Bools, Hashes, Ints
from producer.drafts import NEVER
from producer.draws import Draws
from producer.rhythm import DAY, HOUR
from producer.users import Users

LONGEST = 40 * DAY
"""Whoever stole a card is done with it by then."""
_CARD_MONTHS = 36
"""A card expires, and a new one has a new token anyway."""
_PAYMENTS_PER_MONTH = 60.0
_QUICK, _REPORTED = 0.34, 0.93
_QUICK_HOURS = 70.0
_MEDIAN_DAYS, _SPREAD = 16.0, 0.75
_LONGEST_REPORT = 150 * DAY
# One sorted key for a place and a moment: 40 bits of 4 ms reach beyond the year 2100.
_PLACE, _TICK = np.int64(1) << 40, 4_096


@dataclass(slots=True, kw_only=True)
class Compromises:
    """n stolen cards or accounts; every column has length n."""

    user: Ints
    key: Hashes
    attack: Ints
    """Which scenario, as an index into the attacks of the catalogue."""
    started_at: Ints
    reported_at: Ints
    """NEVER for some."""
    replaced_at: Ints
    """When the new card is in use."""
    card: Ints
    home: Ints

    def __len__(self) -> int:
        """Compromises."""
        return len(self.user)

    def take(self, rows: Ints | Bools) -> Self:
        """Some of them."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


class Underworld:
    """Who is attacked. The chance is set so that fraud makes up the share of all payments that was asked for."""

    def __init__(
        self, draws: Draws, users: Users, fraud_share: float, shares: Sequence[float], payments: Sequence[float]
    ) -> None:
        """`shares` of compromises and `payments` of one on average, both by attack."""
        self._draws = draws
        self._users = users
        self._shares = list(shares)
        each = float(np.average(payments, weights=shares))
        self._chance = fraud_share / (1.0 - fraud_share) * _PAYMENTS_PER_MONTH / each

    def between(self, user: Ints, since: int, until: int) -> Compromises:
        """Those that started with since <= started_at < until (microseconds), user by user."""
        months = np.arange(_month(since), _month(until) + 1)
        drawn = [self._draws.uniform("compromise", user, np.full(len(user), month)) for month in months]
        row, column = np.nonzero(np.stack(drawn, axis=1) < self._chance)
        found = self._draw(user[row], months[column])
        opened = self._users.opened_on(found.user) * DAY
        return found.take((found.started_at >= np.maximum(since, opened)) & (found.started_at < until))

    def _draw(self, user: Ints, month: Ints) -> Compromises:
        key = self._draws.bits("compromised", user, month)
        first = month.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
        length = (month + 1).astype("datetime64[M]").astype("datetime64[us]").astype(np.int64) - first
        started_at = first + (self._draws.uniform("started", key) * length).astype(np.int64)
        reported_at = self._reported_at(key, started_at)
        wait = ((2 + 4 * self._draws.uniform("replaced", key)) * DAY).astype(np.int64)
        return Compromises(
            user=user,
            key=key,
            attack=self._draws.pick("attack", self._shares, key),
            started_at=started_at,
            reported_at=reported_at,
            replaced_at=np.where(reported_at == NEVER, NEVER, reported_at + np.where(reported_at == NEVER, 0, wait)),
            card=self._draws.integer("stolen card", self._users.cards(user), key),
            home=self._users.home(user),
        )

    def _reported_at(self, key: Hashes, started_at: Ints) -> Ints:
        """A third within three days, most others within weeks, some never."""
        draw = self._draws.uniform("reported", key)
        late = _MEDIAN_DAYS * DAY * np.exp(_SPREAD * self._draws.normal("report delay", key))
        quick = (2.0 + _QUICK_HOURS * (draw / _QUICK) ** 0.7) * HOUR
        delay = np.where(draw < _QUICK, quick, np.minimum(late, _LONGEST_REPORT)).astype(np.int64)
        return np.where(draw < _REPORTED, started_at + delay, NEVER)

    def cards(self, user: Ints, card: Ints, at: Ints) -> tuple[Hashes, Bools]:
        """The token (64 bits) of each payment's card at that moment, and whether the card is blocked then."""
        who, row = np.unique(user, return_inverse=True)
        month = at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        phase = self._draws.integer("card phase", _CARD_MONTHS, user, card)
        issue = (month + phase) // _CARD_MONTHS
        issued_at = (issue * _CARD_MONTHS - phase).astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
        stolen = self.between(who, int(issued_at.min(initial=0)) - 2 * _LONGEST_REPORT, int(at.max(initial=0)) + 1)
        stolen = stolen.take(stolen.reported_at != NEVER)
        place = np.searchsorted(who, stolen.user) * 2 + stolen.card
        last, found = _latest(place, stolen.replaced_at, row * 2 + card, at)
        found &= stolen.replaced_at[last] >= issued_at if len(stolen) else False
        version = np.where(found, stolen.key[last] if len(stolen) else 0, 0).astype(np.uint64)
        last, known = _latest(place, stolen.reported_at, row * 2 + card, at)
        blocked = known & (at < stolen.replaced_at[last]) if len(stolen) else np.zeros(len(at), np.bool_)
        return self._draws.bits("card token", user, issue * 2 + card, version), blocked


def _latest(place: Ints, moment: Ints, wanted: Ints, at: Ints) -> tuple[Ints, Bools]:
    """For each wanted place the row with the latest moment <= at, and whether there is one."""
    order = np.lexsort((moment, place))
    keys = place[order] * _PLACE + moment[order] // _TICK
    found = np.searchsorted(keys, wanted * _PLACE + at // _TICK, side="right") - 1
    row = order[np.maximum(found, 0)] if len(order) else np.zeros(len(at), np.int64)
    return row, (found >= 0) & (place[row] == wanted if len(order) else False)


def _month(at: int) -> int:
    return int(np.datetime64(at, "us").astype("datetime64[M]").astype(np.int64))
