"""Seeded payments for proofs: few kinds, so that an oracle can be naive, and everything that real streams get wrong.

The same `Traffic` gives the same messages, byte by byte.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from random import Random
from typing import Any

import msgspec

from fraud.schema import Transaction
from producer.malformed import BREAKERS

Message = tuple[bytes, bytes]
"""Key and value of a record."""
Fields = dict[str, Any]

CITIES = (
    ("Lisbon", "PT", 38.7223, -9.1393, 0),
    ("Berlin", "DE", 52.5200, 13.4050, 60),
    ("Vienna", "AT", 48.2082, 16.3738, 60),
    ("Oslo", "NO", 59.9139, 10.7522, 60),
    ("Athens", "GR", 37.9838, 23.7275, 120),
    ("Mumbai", "IN", 19.0760, 72.8777, 330),
    ("Tokyo", "JP", 35.6762, 139.6503, 540),
    ("Toronto", "CA", 43.6532, -79.3832, -300),
)
CHANNELS = ("pos", "online", "atm", "transfer")
CHANNEL_SHARES = (55, 90, 95, 100)
"""Percent, added up."""
DAYS = 45.0
"""Of event times, where a row asks for nothing else."""
PER_USER_AND_DAY = 4.4
CITY_MERCHANTS = 40
TAXI = "4121"
LATEST = 9.0
"""Days that a late payment is late at most: more than the seven that memory allows."""
RECENT = 20_000
"""Messages among which repeats are drawn."""
BURST = 6
_BREAKERS = tuple(BREAKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """`count` messages whose event times end at `until`; shares are of all messages."""

    seed: int
    count: int
    until: datetime
    days: float = DAYS
    """How far their event times reach back."""
    duplicates: float = 0.05
    late: float = 0.10
    conflicts: float = 0.002
    reused: float = 0.002
    malformed: float = 0.005
    hot: float = 0.01
    """Payments of one user, at most 12,000 in all."""

    @property
    def users(self) -> int:
        """As many as make each of them pay a few times a day."""
        return max(5, round(self.count / self.days / PER_USER_AND_DAY))

    def messages(self) -> Iterator[Message]:
        """All of them, in the order of sending."""
        drawing = _Drawing(self)
        for number in range(self.count):
            yield drawing.next(number)


@dataclass(slots=True)
class _Drawing:
    traffic: Traffic
    random: Random = field(init=False)
    recent: list[Fields] = field(default_factory=list)
    bursts: list[tuple[int, datetime]] = field(default_factory=list)
    hot: float = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.traffic.seed)
        self.hot = min(self.traffic.hot, 12_000 / self.traffic.count)

    def next(self, number: int) -> Message:
        time = self.traffic.until - timedelta(days=self.traffic.days) * (1 - number / self.traffic.count)
        chance = self.random.random()
        for share, draw in (
            (self.traffic.duplicates, self._repeated),
            (self.traffic.conflicts, self._conflicting),
            (self.traffic.reused, self._reused),
            (self.traffic.malformed, self._broken),
        ):
            if chance < share and self.recent:
                return draw(time)
            chance -= share
        return self._remembered(self._payment(number, time))

    def _payment(self, number: int, time: datetime) -> Fields:
        if self.bursts:
            user, time = self.bursts.pop()
        elif self.random.random() < self.hot:
            user = 0
        else:
            user = self.random.randrange(1, self.traffic.users + 1)
            if self.random.random() < 0.0008:
                self.bursts += [(user, time + timedelta(seconds=20 * place)) for place in reversed(range(1, BURST))]
        if self.random.random() < self.traffic.late:
            time -= timedelta(days=self.random.uniform(0, LATEST))
        return self._fields(f"p-{self.traffic.seed}-{number}", user, time)

    def _fields(self, name: str, user: int, time: datetime) -> Fields:
        random = self.random
        home = CITIES[user % len(CITIES)]
        city = random.choice(CITIES) if random.random() < 0.003 else home
        channel = random.choices(CHANNELS, cum_weights=CHANNEL_SHARES)[0]
        fields: Fields = {
            "transaction_id": name,
            "user_id": f"u-{user}",
            "event_time": _rfc_3339(time, city[4]),
            "amount": self._amount(user),
            "channel": channel,
            "merchant_id": f"m-{city[1]}-{random.randrange(CITY_MERCHANTS)}",
            "country": city[1],
            "city": city[0],
        }
        if (currency := self._currency(user)) is not None:
            fields["currency"] = currency
        if random.random() < 0.02:
            fields["mcc"] = TAXI
        if channel in {"pos", "atm"}:
            fields |= {"latitude": city[2], "longitude": city[3], "card_token": f"c-{user}-{random.randrange(8) // 7}"}
        else:
            fields["device_id"] = f"d-{user}"
        return fields | self._oddities(channel)

    def _oddities(self, channel: str) -> Fields:
        """What few payments have: another kind, a decline, a field that nobody knows."""
        odd: Fields = {"kind": "cash"} if channel == "atm" else {}
        chance = self.random.random()
        if chance < 0.03:
            odd["outcome"] = "declined"
        elif chance < 0.04:
            odd["kind"] = "refund"
        elif chance < 0.045:
            odd |= {"kind": "verification", "amount": 0.0}
        elif chance < 0.055:
            odd["initiated_by"] = "merchant"
        elif chance < 0.057:
            odd["loyalty"] = "gold"
        return odd

    def _amount(self, user: int) -> float:
        if self.random.random() < 0.003:
            amount = self.random.choice((1_000.0, 1_000.01, 1_500.5, 2_999.0))
        else:
            amount = round((20 + user % 60) * self.random.lognormvariate(0, 0.44), 2)
        return float(round(amount * 150)) if _pays_in_yen(user) else amount

    def _currency(self, user: int) -> str | None:
        if _pays_in_yen(user):
            return "JPY"
        if user % 20 == 8:
            return "CHF"
        return self.random.choice(("EUR", None))

    def _remembered(self, fields: Fields) -> Message:
        if len(self.recent) < RECENT:
            self.recent.append(fields)
        else:
            self.recent[self.random.randrange(RECENT)] = fields
        return _message(fields)

    def _repeated(self, _time: datetime) -> Message:
        """A redelivery; now and then with another spelling of what memory does not keep."""
        fields = self.random.choice(self.recent)
        return _message(fields | {"city": "elsewhere"} if self.random.random() < 0.05 else fields)

    def _conflicting(self, _time: datetime) -> Message:
        fields = self.random.choice(self.recent)
        return _message(fields | {"amount": fields["amount"] + 1})

    def _reused(self, time: datetime) -> Message:
        fields = self.random.choice(self.recent)
        return self._remembered(fields | {"event_time": _rfc_3339(time, 0)})

    def _broken(self, time: datetime) -> Message:
        fields = self._fields("broken", self.random.randrange(1, self.traffic.users + 1), time)
        fields.pop("loyalty", None)
        whole = msgspec.json.decode(json.dumps(fields), type=Transaction)
        return fields["user_id"].encode(), self.random.choice(_BREAKERS)(whole, self.random)


def _pays_in_yen(user: int) -> bool:
    return user % 20 == 7


def _message(fields: Fields) -> Message:
    return fields["user_id"].encode(), msgspec.json.encode(fields)


def _rfc_3339(time: datetime, minutes: int) -> str:
    return time.astimezone(_zone(minutes)).isoformat()


@cache
def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes))
