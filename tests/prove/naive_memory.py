"""What the system promises to remember of a partition, as a person would write it: lists that are looked through again and again.

Independent of the engine on purpose: nothing is imported from it, and every number is taken from the promise, not from the code.
"""

import math
from bisect import insort_right
from dataclasses import dataclass, field
from typing import Any

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
WINDOWS = {"5m": 5 * MINUTE, "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
LATENESS, REACH = 7 * DAY, 30 * DAY
CAP = 4_096
"""Payments kept of one user."""
EARTH = 6_371_008.8
"""Mean radius in metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One payment, as memory needs it."""

    time: int
    """Event time, microseconds since the epoch."""
    user: str
    name: str
    """The transaction id."""
    content: tuple[Any, ...]
    """What makes a redelivery the same payment."""
    minor: int
    currency: str
    is_attempt: bool
    is_spend: bool
    place: tuple[float, float] | None
    """Where a card was, of an approved payment at a terminal that the customer started."""
    mcc: str | None
    card: str | None


@dataclass(slots=True)
class Memory:
    """One partition."""

    newest: float = -math.inf
    kept: dict[str, list[Seen]] = field(default_factory=dict)
    pushed_out: dict[str, float] = field(default_factory=dict)

    def meet(self, payment: Seen, moving: frozenset[str]) -> dict[str, Any]:
        """What is said of a payment, which is remembered then; `status` is new, duplicate or conflict."""
        self.newest = max(self.newest, payment.time)
        mine = [one for one in self.kept.get(payment.user, ()) if one.time >= self.newest - REACH - LATENESS]
        twins = [one for one in mine if one.name == payment.name]
        for twin in twins:
            if twin.time == payment.time:
                return {"status": "duplicate" if twin.content == payment.content else "conflict"}
        late = payment.time < self.newest - LATENESS
        cut = self.pushed_out.get(payment.user, -math.inf) > payment.time - REACH
        said = {"status": "new", "reused": bool(twins), "incomplete": late or cut, **_windows(payment, mine, moving)}
        if not late:
            insort_right(mine, payment, key=lambda one: one.time)
            if len(mine) > CAP:
                out = mine.pop(0).time
                self.pushed_out[payment.user] = max(self.pushed_out.get(payment.user, -math.inf), out)
            self.kept[payment.user] = mine
        return said


def _windows(payment: Seen, mine: list[Seen], moving: frozenset[str]) -> dict[str, Any]:
    seen = [one for one in mine if payment.time - REACH < one.time <= payment.time]
    spend = [one.minor for one in seen if one.is_spend and one.currency == payment.currency]
    said: dict[str, Any] = {"spent_30d": sum(spend), "spends_30d": len(spend), **_travel(payment, seen, moving)}
    attempts = [one.time for one in seen if one.is_attempt]
    for window, span in WINDOWS.items():
        said[f"count_{window}"] = sum(time > payment.time - span for time in attempts)
    return said


def _travel(payment: Seen, seen: list[Seen], moving: frozenset[str]) -> dict[str, Any]:
    if not _stands_still(payment, moving):
        return {}
    for one in reversed(seen):
        if _stands_still(one, moving) and (payment.card is None or one.card == payment.card):
            assert one.place is not None
            assert payment.place is not None
            return {"since_place": payment.time - one.time, "metres": _metres(one.place, payment.place)}
    return {}


def _stands_still(one: Seen, moving: frozenset[str]) -> bool:
    return one.place is not None and one.mcc not in moving


def _metres(one: tuple[float, float], other: tuple[float, float]) -> int:
    """The haversine formula."""
    north, east, north_2, east_2 = map(math.radians, (*one, *other))
    half = math.sin((north_2 - north) / 2) ** 2
    half += math.cos(north) * math.cos(north_2) * math.sin((east_2 - east) / 2) ** 2
    return round(2 * EARTH * math.asin(math.sqrt(min(1.0, half))))
