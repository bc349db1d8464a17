"""As many payments as a rate asks for: the population first, then further users of the same seed, drawn as they are needed.

At 1,000 payments a second some 43 million users would be paying. They are not looked through second by second: a further user
is asked for the payments of the current hour, and these are moved, together, to the moment at which the rate wants one. So
every user keeps a life of about two payments a day, bursts keep their gaps, and nobody's clock is off by more than an hour.
"""

import heapq
from collections.abc import Iterator

import numpy as np

from fraud.columns import Ints
from producer.drafts import NEVER, Drafts
from producer.population import Population
from producer.rhythm import HOUR, MINUTE

_WINDOW_PAYMENTS = 50
_WINDOW_SECONDS = 2.0
_SCAN_LEAST, _SCAN_MOST = 256, 65_536


class Crowd:
    """Payments for one window of time after the other. Windows must follow each other without gaps."""

    def __init__(self, population: Population, start: int) -> None:
        """Begin at a moment (microseconds since the epoch)."""
        self._population = population
        self._at = start
        self._block = population.drafts(np.zeros(0, np.int64), start, start + 1)
        self._block_end = start
        self._hour = -1
        self._cursor = population.users
        self._later: list[tuple[int, int, Drafts]] = []
        self._count = 0
        self._yield = 0.05
        """Payments that one further user gives in an hour, as seen lately."""

    def window(self, length: int, count: int) -> Drafts:
        """`count` payments of the next `length` microseconds, in order, evenly spread: their times are set to that."""
        start, end = self._at, self._at + length
        known = self._known(start, end)
        own = known.take(_first_users(known, count))
        parts, times = [own], [own.at]
        self._take_later(end, count - len(own), parts, times)
        missing = count - sum(map(len, parts))
        if missing > 0:
            self._further(start, length, missing, parts, times)
        drafts = Drafts.joined(parts)
        drafts = drafts.take(np.lexsort((drafts.key, np.concatenate(times)))[:count])
        moved = start + (np.arange(len(drafts)) * (length / max(count, 1))).astype(np.int64)
        self._at = end
        return moved_to(drafts, moved)

    def _known(self, start: int, end: int) -> Drafts:
        """Payments of the population itself, exactly when they fall."""
        parts = []
        while start < end:
            if start >= self._block_end:
                self._block_end = max(start + 10 * MINUTE, end)
                users = np.arange(self._population.users)
                self._block = self._population.drafts(users, start, self._block_end)
            stop = min(end, self._block_end)
            first, last = np.searchsorted(self._block.at, [start, stop])
            parts.append(self._block.take(np.arange(first, last)))
            start = stop
        return Drafts.joined(parts)

    def _take_later(self, end: int, count: int, parts: list[Drafts], times: list[Ints]) -> None:
        """What further users who paid before still do in this window."""
        while self._later and self._later[0][0] < end and count > 0:
            at, _, draft = heapq.heappop(self._later)
            parts.append(draft)
            times.append(np.array([at], np.int64))
            count -= 1

    def _further(self, start: int, length: int, missing: int, parts: list[Drafts], times: list[Ints]) -> None:
        """Go on through further users until there are enough first payments of the hour."""
        moments = start + ((np.arange(missing) + 0.5) * (length / missing)).astype(np.int64)
        while len(moments):
            drafts, first = self._scan(start, len(moments))
            used = min(len(first), len(moments))
            parts.append(drafts.take(first[:used]))
            times.append(moments[:used])
            self._keep_followers(drafts, first[:used], moments[:used])
            moments = moments[used:]

    def _scan(self, start: int, missing: int) -> tuple[Drafts, Ints]:
        """Drafts of the hour of the next users, user by user, and the rows at which a user begins."""
        hour = start // HOUR
        if hour != self._hour:
            self._hour, self._cursor = hour, self._population.users
        users = int(min(max(missing / self._yield * 1.1, _SCAN_LEAST), _SCAN_MOST))
        drafts = self._population.drafts(np.arange(self._cursor, self._cursor + users), hour * HOUR, (hour + 1) * HOUR)
        drafts = drafts.take(np.lexsort((drafts.at, drafts.user)))
        first = np.flatnonzero(np.diff(drafts.user, prepend=-1) != 0)
        self._yield = max(0.5 * self._yield + 0.5 * len(first) / users, 1e-4)
        # Users beyond those needed are asked again for the next window.
        self._cursor = int(drafts.user[first[missing]]) if len(first) > missing else self._cursor + users
        return drafts, first

    def _keep_followers(self, drafts: Drafts, first: Ints, moments: Ints) -> None:
        """The same users' other payments of the hour follow at their distance."""
        last = np.searchsorted(drafts.user, drafts.user[first], side="right")
        for begin, end, moment in zip(first.tolist(), last.tolist(), moments.tolist(), strict=True):
            for row in range(begin + 1, end):
                self._count += 1
                at = moment + int(drafts.at[row] - drafts.at[begin])
                heapq.heappush(self._later, (at, self._count, drafts.take(np.array([row]))))


def moved_to(drafts: Drafts, at: Ints) -> Drafts:
    """The same payments at other moments; reports keep their delay."""
    known = drafts.reported_at != NEVER
    drafts.reported_at = np.where(known, np.where(known, drafts.reported_at, 0) + at - drafts.at, NEVER)
    drafts.at = at
    return drafts


def _first_users(drafts: Drafts, count: int) -> Ints:
    """Rows of the users of the lowest indices, `count` payments at most; in the order of time."""
    return np.sort(np.argsort(drafts.user, kind="stable")[:count])


def windows(crowd: Crowd, rate: float, speedup: float, seconds: float | None) -> Iterator[Drafts]:
    """Windows of a rate (per real second) until `seconds` are full; each draft's time is when it is due."""
    sent, passed = 0, 0.0
    length = window_seconds(rate, speedup)
    while seconds is None or passed < seconds:
        step = length if seconds is None else min(length, seconds - passed)
        passed += step
        count = round(passed * rate) - sent
        sent += count
        yield crowd.window(int(step * speedup * 1_000_000), count)


def window_seconds(rate: float, speedup: float) -> float:
    """Real time of one window: some dozens of payments, so that the users of the population are enough where they can be."""
    return max(min(_WINDOW_PAYMENTS / rate, 3_600 / speedup), _WINDOW_SECONDS)
