"""The windows as a person would write them: one list of payments, every figure recomputed from the whole of it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fraud.batch import Batch, Mark

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
SPANS = {"5m": 5 * MINUTE, "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
CAP = 4_096


@dataclass(frozen=True)
class Payment:
    """One row of a batch, by name."""

    row: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.row[name]

    def has(self, mark: Mark) -> bool:
        return bool(self.row["marks"] & mark)


def payments_of(batch: Batch) -> list[Payment]:
    names = [name for name in Batch.__dataclass_fields__ if name != "rows"]
    return [Payment({name: int(getattr(batch, name)[row]) for name in names}) for row in range(len(batch))]


class NaiveWindows:
    """Remembers one partition in plain lists; forgets nothing but what the rules make invisible."""

    def __init__(self, moving: frozenset[int] = frozenset(), cap: int = CAP) -> None:
        self.newest = -math.inf
        self.kept: dict[int, list[tuple[Payment, int]]] = {}
        self.pushed_out: dict[int, float] = {}
        self.moving = moving
        self.cap = cap

    def decide(self, payment: Payment) -> dict[str, Any]:
        self.newest = max(self.newest, payment.event_time)
        horizon = self.newest - 37 * DAY
        mine = [entry for entry in self.kept.get(payment.user, []) if entry[0].event_time >= horizon]
        twins = [p for p, _ in mine if p.transaction == payment.transaction]
        for twin in twins:
            if twin.event_time == payment.event_time:
                return {"status": "duplicate" if twin.payload == payment.payload else "conflict"}
        late = payment.event_time < self.newest - 7 * DAY
        incomplete = late or self.pushed_out.get(payment.user, -math.inf) > payment.event_time - 30 * DAY
        said = self.figures(payment, mine) | {"incomplete": incomplete, "reused": bool(twins)}
        if not late:
            mine.append((payment, said["hour"]))
            mine.sort(key=lambda entry: entry[0].event_time)
            if len(mine) > self.cap:
                pushed = mine.pop(0)[0].event_time
                self.pushed_out[payment.user] = max(self.pushed_out.get(payment.user, -math.inf), pushed)
            self.kept[payment.user] = mine
        return said

    def figures(self, payment: Payment, mine: list[tuple[Payment, int]]) -> dict[str, Any]:
        seen = [(p, hour) for p, hour in mine if payment.event_time - 30 * DAY < p.event_time <= payment.event_time]
        said: dict[str, Any] = {"status": "decided"}
        for name, span in SPANS.items():
            inside = [p for p, _ in seen if p.event_time > payment.event_time - span]
            spend = [p.amount for p in inside if p.has(Mark.SPEND) and p.currency == payment.currency]
            said[f"count_{name}"] = sum(p.has(Mark.ATTEMPT) for p in inside)
            said[f"declined_{name}"] = sum(p.has(Mark.ATTEMPT) and p.has(Mark.DECLINED) for p in inside)
            said[f"spent_{name}"], said[f"spends_{name}"], said[f"largest_{name}"] = (
                sum(spend),
                len(spend),
                max(spend, default=0),
            )
        today = [p for p, _ in seen if p.event_time > payment.event_time - DAY]
        said["merchants"] = len({p.merchant for p in today if p.has(Mark.HAS_MERCHANT)})
        said["countries"] = len({p.country for p in today if p.has(Mark.HAS_COUNTRY)})
        for mark, name in ((Mark.HAS_MERCHANT, "merchant"), (Mark.HAS_DEVICE, "device"), (Mark.HAS_COUNTRY, "country")):
            said[f"seen_{name}"] = any(p.has(mark) and p.row[name] == payment.row[name] for p, _ in seen)
        attempts = [p for p, _ in seen if p.has(Mark.ATTEMPT)]
        said["since_last"] = payment.event_time - attempts[-1].event_time if attempts else -1
        said["oldest"] = payment.event_time - seen[0][0].event_time if seen else -1
        said["hour"] = self.hour(payment, [p for p, _ in seen])
        hours = self.hours([p for p, _ in seen])
        said["hour_known"] = len(hours)
        said["hour_same"] = hours.count(said["hour"]) if said["hour"] >= 0 else 0
        said["since_place"], said["metres"] = self.travel(payment, [p for p, _ in seen])
        return said

    def hour(self, payment: Payment, seen: list[Payment]) -> int:
        present = [p for p in seen if p.has(Mark.CARD_PRESENT)]
        if payment.has(Mark.CARD_PRESENT):
            offset = payment.utc_offset
        elif payment.has(Mark.REMOTE) and present:
            offset = present[-1].utc_offset
        else:
            return -1
        return (payment.event_time + offset * MINUTE) // HOUR % 24

    def hours(self, seen: list[Payment]) -> list[int]:
        """Local hours of earlier payments: their own, or by the card-present one before them."""
        return [hour for at, p in enumerate(seen) if (hour := self.hour(p, seen[:at])) >= 0]

    def travel(self, payment: Payment, seen: list[Payment]) -> tuple[int, int]:
        def stands_still(p: Payment) -> bool:
            return p.has(Mark.PHYSICAL) and not (p.has(Mark.HAS_MCC) and p.mcc in self.moving)

        places = [
            p
            for p in seen
            if stands_still(p) and (not payment.has(Mark.HAS_CARD) or (p.has(Mark.HAS_CARD) and p.card == payment.card))
        ]
        if not stands_still(payment) or not places:
            return -1, -1
        last = places[-1]
        return payment.event_time - last.event_time, metres(last, payment)


def metres(one: Payment, other: Payment) -> int:
    """The law of cosines on the unit sphere's chord, instead of the kernel's haversine."""
    a, b = (np.array(_unit(p.latitude / 1e7, p.longitude / 1e7)) for p in (one, other))
    return round(2 * 6_371_008.8 * math.asin(min(1.0, float(np.linalg.norm(a - b)) / 2)))


def _unit(latitude: float, longitude: float) -> tuple[float, float, float]:
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)
