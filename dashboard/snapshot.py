"""The queue as a snapshot: rows that stay where they are until the analyst asks for newer ones. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dashboard.filters import Asked
from dashboard.queries import whole_ms
from storage.flags.flag_store import FlagFilter

ROWS = 200
"""Shown at first, and how many more each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the filter found at one moment."""

    asked: Asked
    wanted: FlagFilter
    """Bounded so that it finds these flags again and none that came later."""
    total: int
    rows: tuple[dict[str, Any], ...]
    """Newest first; fewer than `total` where there are many."""
    taken_at: datetime

    def label(self, row: dict[str, Any]) -> str:
        """The start of a flag's id, as long as this snapshot needs to tell them apart."""
        return str(row["_id"])[: self.label_length]

    @property
    def label_length(self) -> int:
        """At least 8 characters."""
        ids = {str(row["_id"]) for row in self.rows}
        return next(length for length in range(8, 65) if len({found[:length] for found in ids}) == len(ids))

    def flag_id(self, label: str) -> str | None:
        """The flag that a label names."""
        return next((str(row["_id"]) for row in self.rows if self.label(row) == label), None)


def take(
    asked: Asked,
    wanted: FlagFilter,
    now: datetime,
    *,
    latest: Callable[[FlagFilter, int], list[dict[str, Any]]],
    count: Callable[[FlagFilter], int],
    limit: int = ROWS,
) -> Snapshot:
    """Ask for the newest flags, and fix the bounds to the newest one found."""
    rows = tuple(latest(wanted, limit))
    until = whole_ms(rows[0][wanted.time.value]) + timedelta(milliseconds=1) if rows else wanted.since
    bounded = replace(wanted, until=until)
    total = count(bounded) if rows else 0
    return Snapshot(asked=asked, wanted=bounded, total=max(total, len(rows)), rows=rows, taken_at=now)


def newer(snapshot: Snapshot, wanted: FlagFilter, count: Callable[[FlagFilter], int]) -> int:
    """How many flags came since, wherever they sort: flags are only ever added, so the difference of two counts says it."""
    return max(0, count(replace(wanted, since=snapshot.wanted.since)) - snapshot.total)
