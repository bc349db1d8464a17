"""When people pay: how often on a day, at which hour, and what their clock says then."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from fraud.columns import Bools, Floats, Ints
from producer.cities import CITIES

DAY = 86_400_000_000
"""Microseconds."""
HOUR = DAY // 24
MINUTE = HOUR // 60
SECOND = MINUTE // 60

_WEEKDAY = np.array([0.93, 0.93, 0.97, 1.0, 1.16, 1.2, 0.81])
_MONTH = np.array([0.94, 0.93, 0.97, 0.98, 1.0, 1.01, 1.03, 1.0, 0.98, 1.0, 1.05, 1.18])
# Payments by local hour, 0 to 23, of people with different days: office, early, shifts and nights, at home.
_HOURS_WORKDAY = (
    "1 .5 .3 .2 .3 .8 3 7 8 6 5 7 11 9 6 5 6 10 12 10 7 5 4 2",
    "1 .4 .2 .3 1 4 8 9 8 8 8 9 9 7 6 6 7 8 6 4 2 1.5 1 .5",
    "5 4 3 2.5 2 2 3 4 4 5 6 7 7 6 6 7 7 7 7 7 8 8 8 7",
    ".8 .4 .3 .2 .2 .4 1 3 6 10 12 11 9 7 8 9 9 8 6 5 4 3 2 1.2",
)
_HOURS_WEEKEND = (
    "3 2 1.2 .7 .4 .4 1 2 5 8 10 11 10 9 9 9 8 7 8 9 8 6 5 4",
    "1.5 .8 .5 .4 .7 2 4 7 9 10 10 10 9 8 7 7 6 6 6 4 3 2.5 2 1.6",
    "7 6 5 4 2.5 2 2 2 3 4 6 8 8 8 8 8 8 7 7 8 8 8 8 8",
    "1.2 .6 .4 .3 .3 .4 1 2.5 6 10 12 11 10 8 8 9 8 7 6 6 5 4 2.5 1.6",
)
PROFILES = len(_HOURS_WORKDAY)
_STEPS = 4096
_LEVELS = 16.0
_MOST = 160
_QUANTILES = 2048


def weekday(day: Ints) -> Ints:
    """0 is Monday; `day` counts from 1970-01-01, a Thursday."""
    return (day + 3) % 7


def intensity(day: Ints, payday: Ints) -> Floats:
    """Payments on a day against a user's average: weekday, month, and the days after `payday` (day of the month, 1 to 28)."""
    date = day.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    since = ((date - month.astype("datetime64[D]")).astype(np.int64) + 1 - payday) % 30
    after_payday = 1.0 + 0.35 * np.exp(-since / 3.0) - 0.032
    return np.asarray(_WEEKDAY[weekday(day)] * _MONTH[month.astype(np.int64) % 12] * after_payday)


def how_many(uniform: Floats, mean: Floats) -> Ints:
    """Poisson numbers by quantile, from a table of means in steps of 1/16."""
    level = np.minimum((mean * _LEVELS).astype(np.int64), _MOST - 1)
    return _counts()[level, (uniform * _QUANTILES).astype(np.int64)].astype(np.int64)


def time_of_day(uniform: Floats, profile: Ints, is_weekend: Bools) -> Ints:
    """Local time as microseconds since midnight, by quantile of a profile's day."""
    place = uniform * _STEPS
    step = place.astype(np.int64)
    cell = (profile * 2 + is_weekend) * (_STEPS + 1) + step
    times = _times().ravel()
    hours = times[cell] + (place - step) * (times[cell + 1] - times[cell])
    return np.asarray((hours * HOUR).astype(np.int64))


def utc_offset(city: Ints, at: Ints) -> Ints:
    """Minutes east of UTC in a city at a moment (microseconds), as its IANA zone says."""
    if not len(at):
        return np.zeros(0, np.int64)
    first = int(at.min()) // DAY
    days = int(at.max()) // DAY + 1 - first
    table = np.concatenate([_offsets_of_day(day) for day in range(first, first + days)])
    return np.asarray(table[(at - first * DAY) // HOUR, city], np.int64)


@lru_cache(maxsize=1024)
def _offsets_of_day(day: int) -> Ints:
    """Minutes by hour of the UTC day and city: int64, shape (24, cities). Zones change their offset on whole hours."""
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    hours = [start + timedelta(hours=hour) for hour in range(24)]
    by_zone: dict[str, Ints] = {}
    for zone in {city.zone for city in CITIES}:
        first, last = _minutes(hours[0], zone), _minutes(hours[23], zone)
        column = [first] * 24 if first == last else [_minutes(hour, zone) for hour in hours]
        by_zone[zone] = np.array(column, np.int64)
    return np.stack([by_zone[city.zone] for city in CITIES], axis=1)


def _minutes(moment: datetime, zone: str) -> int:
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else offset // timedelta(minutes=1)


@lru_cache(maxsize=1)
def _counts() -> Ints:
    """Quantiles of Poisson distributions: uint8, shape (levels, 2048)."""
    mean = (np.arange(_MOST) + 0.5) / _LEVELS
    quantile = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    term = np.exp(-mean)
    total = term.copy()
    counts = np.zeros((_MOST, _QUANTILES), np.uint8)
    for number in range(1, 15):
        counts += quantile > total[:, None]
        term = term * mean / number
        total = total + term
    return counts.astype(np.int64)


@lru_cache(maxsize=1)
def _times() -> Floats:
    """Local hours by profile and weekend at even quantiles: float64, shape (2 x profiles, 4097)."""
    rows = []
    for workday, weekend in zip(_HOURS_WORKDAY, _HOURS_WEEKEND, strict=True):
        for hours in (workday, weekend):
            share = np.cumsum([0.0, *map(float, hours.split())])
            rows.append(np.interp(np.linspace(0.0, 1.0, _STEPS + 1), share / share[-1], np.arange(25.0)))
    return np.asarray(np.minimum(np.stack(rows), 24.0 - 1e-9))
