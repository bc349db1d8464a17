"""Quantities as people type them: 14d, 1 %, 2M, 2024-01."""

import re
from datetime import UTC, datetime, timedelta

from fraud.durations import duration_of
from fraud.errors import UsageError

_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def duration(text: str, option: str) -> timedelta:
    """Such as 60s, 90m, 12h, 14d, 2w. Raises UsageError that names the option."""
    try:
        found = duration_of(text)
    except ValueError:
        found = timedelta(0)
    if not found:
        raise UsageError(f"{option} is {text!r}: expected a duration such as 60s, 90m, 12h or 14d")
    return found


def share(text: str, option: str) -> float:
    """Such as 1%, 0.4 % or 0.01, at least 0 and less than 1. Raises UsageError that names the option."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*(%?)", text.strip())
    value = None if found is None else float(found[1]) / (100 if found[2] else 1)
    if value is None or value >= 1:
        raise UsageError(f"{option} is {text!r}: expected a share such as 1% or 0.01")
    return value


def count(text: str, option: str) -> int:
    """Such as 200000, 200k or 2M. Raises UsageError that names the option."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)", text.strip().lower().replace("_", "").replace(",", ""))
    value = 0 if found is None else round(float(found[1]) * _FACTORS[found[2]])
    if value < 1:
        raise UsageError(f"{option} is {text!r}: expected a number such as 200000, 200k or 2M")
    return value


def month(text: str, option: str) -> datetime:
    """Such as 2024-01: its first moment, UTC. Raises UsageError that names the option."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", text.strip())
    if found is None or not 1 <= int(found[2]) <= 12 or not 1990 <= int(found[1]) <= 2100:
        raise UsageError(f"{option} is {text!r}: expected a month such as 2024-01")
    return datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)


def instant(text: str, option: str) -> datetime:
    """Such as 2026-03-02 or 2026-03-02T18:00:00Z; UTC where it has no offset. Raises UsageError that names the option."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} is {text!r}: expected a day such as 2026-03-02, or 2026-03-02T18:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def moment_or_ago(text: str, option: str, now: datetime) -> datetime:
    """A moment as `instant` reads it, or a duration such as 24h, so long before now. Raises UsageError that names the option."""
    try:
        return now - duration_of(text)
    except ValueError:
        pass
    try:
        return instant(text, option)
    except UsageError as error:
        raise UsageError(
            f"{option} is {text!r}: expected a moment such as 2026-03-02T18:00:00Z, or a duration such as 24h"
        ) from error
