"""Periods: how far back a page looks, in whole buckets, so that charts do not jitter and counts can be compared."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fraud.decision import EPOCH, micros

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_LENGTH_AND_BUCKET = {
    "15m": (15 * _MINUTE, _MINUTE),
    "1h": (_HOUR, _MINUTE),
    "6h": (6 * _HOUR, 5 * _MINUTE),
    "24h": (_DAY, 15 * _MINUTE),
    "7d": (7 * _DAY, 2 * _HOUR),
    "30d": (30 * _DAY, 12 * _HOUR),
}
ALL = "all"
PERIODS = (*_LENGTH_AND_BUCKET, ALL)
DEFAULT_PERIOD = "1h"
_BUCKETS = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 2 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY)
_MOST_BUCKETS = 120
SETTLING = timedelta(seconds=10)
"""How long after its end a bucket may still grow: the way from the log through the consumer into the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """since <= t < until, cut into equal buckets that start at whole multiples since the epoch."""

    since: datetime
    until: datetime
    bucket: timedelta

    @property
    def starts(self) -> list[datetime]:
        """The start of every bucket."""
        count = (self.until - self.since) // self.bucket
        return [self.since + index * self.bucket for index in range(count)]

    def complete(self, now: datetime) -> list[datetime]:
        """The starts of the buckets that will not grow any more."""
        return [start for start in self.starts if start + self.bucket + SETTLING <= now]


def period(name: str, now: datetime, extent: tuple[datetime, datetime] | None = None) -> Period:
    """The named period that ends with the bucket `now` is in; `all` spans the extent of what is stored (first, last)."""
    if name == ALL:
        return _spanning(*(extent or (now - _HOUR, now)))
    length, bucket = _LENGTH_AND_BUCKET.get(name, _LENGTH_AND_BUCKET[DEFAULT_PERIOD])
    start = floor(now, bucket)
    return Period(since=start - length, until=start + bucket, bucket=bucket)


def floor(moment: datetime, bucket: timedelta) -> datetime:
    """The start of the bucket that a moment is in."""
    return EPOCH + (moment - EPOCH) // bucket * bucket


def in_words(bucket: timedelta) -> str:
    """`minute`, `5 minutes`, `12 hours`: what one bucket is called."""
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if bucket >= unit:
            count = bucket // unit
            return name if count == 1 else f"{count} {name}s"
    return f"{bucket.total_seconds():g} seconds"


def ago(then: datetime, now: datetime) -> str:
    """How long ago, short: `4 s`, `12 min`, `3 h`, `5 d`."""
    seconds = max(0, micros(now) - micros(then)) // 1_000_000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def clock(moment: datetime) -> str:
    """A moment in UTC to the second, with its date."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _spanning(first: datetime, last: datetime) -> Period:
    bucket = next((size for size in _BUCKETS if (last - first) // size < _MOST_BUCKETS), _BUCKETS[-1])
    return Period(since=floor(first, bucket), until=floor(last, bucket) + bucket, bucket=bucket)
