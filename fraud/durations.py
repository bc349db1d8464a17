"""Spans of time as people write them."""

import re
from datetime import timedelta

_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36_500)


def duration_of(text: str) -> timedelta:
    """A number with its unit, at most a century. Raises ValueError for anything else.

    >>> duration_of("90s"), duration_of("1.5 h")
    (datetime.timedelta(seconds=90), datetime.timedelta(seconds=5400))
    """
    found = _WRITTEN.fullmatch(text.strip().lower())
    try:
        duration = timedelta(**{_UNITS[found[2]]: float(found[1])}) if found else None
    except OverflowError:
        duration = None
    if duration is None or duration > _LONGEST:
        raise ValueError(f"{text} is no duration: write 90s, 30m, 12h, 7d or 2w")
    return duration
