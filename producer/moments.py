"""When ordinary users pay: found for a span of time without deciding anything else, so that millions can be looked through."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from fraud.columns import Bools, Ints
from producer.cities import CITIES
from producer.draws import Draws, unit
from producer.rhythm import DAY, HOUR, MINUTE, SECOND, how_many, intensity, time_of_day, utc_offset, weekday
from producer.users import Users

PER_DAY = 1.62
"""Slots of an average user on an average day; what follows from them brings payments to about two."""
SLOTS = 16
SUBSCRIPTION = 256
REFUND = 512
RETRY, SPREE, REVERSAL = 0.014, 0.050, 0.053
"""Bounds of one draw per slot: it is declined and tried again; more payments follow within the hour; it is reversed."""
_REACH = 3 * HOUR
"""What follows from a slot comes no later."""
_REFUNDS_PER_DAY = 0.011
_REFUND_DAYS = 12


@dataclass(slots=True, kw_only=True)
class Moments:
    """n payments as when, who and which; every column has length n."""

    user: Ints
    home: Ints
    city: Ints
    is_trip: Bools
    at: Ints
    """Microseconds since the epoch, UTC."""
    day: Ints
    """The local day that the payment belongs to."""
    slot: Ints
    """Which payment of the day: a slot below 16, plus 16 for each one that follows from it; or a subscription; or a refund."""

    def __len__(self) -> int:
        """Payments."""
        return len(self.at)

    def take(self, rows: Ints | Bools) -> Self:
        """Some of them."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


class Diary:
    """The ordinary payments of every user of one world."""

    def __init__(self, draws: Draws, users: Users) -> None:
        """Nothing is kept."""
        self._draws = draws
        self._users = users

    def between(self, user: Ints, since: int, until: int) -> Moments:
        """All ordinary payments of the users with since <= at < until (microseconds), user by user."""
        days = self._days(user, since, until)
        parts = [*self._slots(days), self._subscriptions(days), self._refunds(days)]
        found = Moments(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Moments)}
        )
        return found.take((found.at >= since) & (found.at < until))

    def _days(self, user: Ints, since: int, until: int) -> "_Days":
        """Every user's local days that touch the span, each where the user is on that day."""
        every = np.arange((since - _REACH - 15 * HOUR) // DAY, (until + 15 * HOUR) // DAY + 1)
        home = self._users.home(user)
        row = np.repeat(np.arange(len(user)), len(every))
        day = np.tile(every, len(user))
        noon = np.stack([utc_offset(np.arange(len(CITIES)), np.full(len(CITIES), d * DAY + DAY // 2)) for d in every])
        start = every[:, None] * DAY - noon * MINUTE
        near = ((start + DAY + HOUR > since - _REACH) & (start - HOUR < until)).ravel()
        stay = self._users.stay(user[row], home[row], day)
        kept = near[(day - every[0]) * len(CITIES) + stay.city]
        kept &= day >= np.repeat(self._users.opened_on(user), len(every))
        row, day = row[kept], day[kept]
        activity, profile, payday = self._users.habits(user)
        return _Days(
            user=user[row],
            home=home[row],
            city=stay.city[kept],
            is_trip=stay.is_trip[kept],
            settled_at=stay.settled_at[kept],
            day=day,
            mean=PER_DAY * activity[row] * intensity(day, payday[row]),
            profile=profile[row],
        )

    def _slots(self, days: "_Days") -> list[Moments]:
        """Payments of the day, and what follows from them within the hour."""
        count = how_many(self._draws.uniform("count", days.user, days.day), days.mean)
        row = np.repeat(np.arange(len(count)), count)
        slot = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        local = self.local_time(days.user[row], days.day[row], slot, days.profile[row])
        first = days.moments(row, local, slot)
        first = first.take(first.at >= days.settled_at[row])
        return [first, self._followers(first)]

    def local_time(self, user: Ints, day: Ints, slot: Ints, profile: Ints) -> Ints:
        """Microseconds since local midnight of a slot."""
        return time_of_day(self._draws.uniform("time", user, day * SLOTS + slot), profile, weekday(day) >= 5)

    def echo(self, user: Ints, day: Ints, slot: Ints) -> tuple[np.ndarray, np.ndarray]:
        """A slot's draw against RETRY, SPREE, REVERSAL; and how many payments follow in a spree, 1 to 4."""
        bits = self._draws.bits("echo", user, day * SLOTS + slot)
        return unit(bits), 1 + (bits & np.uint64(3)).astype(np.int64)

    def _followers(self, first: Moments) -> Moments:
        draw, more = self.echo(first.user, first.day, first.slot)
        more = np.where(draw < RETRY, 1, np.where(draw < SPREE, more, np.where(draw < REVERSAL, 1, 0)))
        row = np.repeat(np.arange(len(first)), more)
        number = 1 + np.arange(len(row)) - np.repeat(np.cumsum(more) - more, more)
        follower = first.take(row)
        follower.slot = follower.slot + SLOTS * number
        wait = self._draws.uniform("wait", follower.user, follower.day * SUBSCRIPTION + follower.slot)
        seconds = np.where(
            draw[row] < RETRY, 15 + wait * 150, np.where(draw[row] < SPREE, 90 + wait * 1500, 60 + wait * 3000)
        )
        follower.at = follower.at + (number * seconds * SECOND).astype(np.int64)
        return follower

    def _subscriptions(self, days: "_Days") -> Moments:
        """Standing subscriptions, taken in the small hours of the same day of each month."""
        date = days.day.astype("datetime64[D]")
        month = date.astype("datetime64[M]")
        day_of_month = (date - month.astype("datetime64[D]")).astype(np.int64)
        months = month.astype(np.int64)
        bits = self._draws.bits("subscription days", days.user)
        held = self._users.subscriptions(days.user)
        parts = []
        for number in range(int(held.max(initial=0))):
            own = (bits >> np.uint64(10 * number)).astype(np.int64) & 1023
            due = (number < held) & (own % 28 == day_of_month) & ((months + own // 28) % 40 < 30)
            row = np.flatnonzero(due)
            hour = self._draws.uniform("subscription hour", days.user[row], row * 0 + number)
            parts.append(days.moments(row, ((1 + 5 * hour) * HOUR).astype(np.int64), row * 0 + SUBSCRIPTION + number))
        parts.append(days.moments(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)))
        return Moments(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Moments)}
        )

    def _refunds(self, days: "_Days") -> Moments:
        """Money back for the first payment of an earlier day; only between days at home."""
        row = np.flatnonzero(~days.is_trip & self._draws.chance("refund", _REFUNDS_PER_DAY, days.user, days.day))
        user, day = days.user[row], days.day[row]
        lag = 1 + self._draws.integer("refund lag", _REFUND_DAYS, user, day)
        earlier = day - lag
        activity, _, payday = self._users.habits(user)
        mean = PER_DAY * activity * intensity(earlier, payday)
        bought = how_many(self._draws.uniform("count", user, earlier), mean) > 0
        bought &= ~self._users.stay(user, days.home[row], earlier).is_trip & (earlier >= self._users.opened_on(user))
        row, lag = row[bought], lag[bought]
        hour = 9 + 9 * self._draws.uniform("refund hour", days.user[row], days.day[row])
        return days.moments(row, (hour * HOUR).astype(np.int64), REFUND + lag)


@dataclass(slots=True, kw_only=True)
class _Days:
    """n local days of users; every column has length n."""

    user: Ints
    home: Ints
    city: Ints
    is_trip: Bools
    settled_at: Ints
    day: Ints
    mean: np.ndarray
    profile: Ints

    def moments(self, row: Ints, local: Ints, slot: Ints) -> Moments:
        """Payments on some of the days at local times (microseconds since midnight)."""
        naive = self.day[row] * DAY + local
        at = naive - utc_offset(self.city[row], naive) * MINUTE
        return Moments(
            user=self.user[row],
            home=self.home[row],
            city=self.city[row],
            is_trip=self.is_trip[row],
            at=at,
            day=self.day[row],
            slot=slot,
        )
