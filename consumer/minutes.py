"""Counters per partition and minute of `received_at`: whole values, so that a repeated write changes nothing.

`received_at` never goes back within a partition, so only the newest minute of each partition is open; its counts are part of
the partition's state and of its checkpoint.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from msgspec import Struct

from fraud.columns import Bools, Ints
from fraud.currencies import code_of
from fraud.decision import moment
from storage.flags.flag_store import Minute

MINUTE = 60_000_000
"""Microseconds."""


class Counts(Struct, kw_only=True):
    """What was counted in one minute of one partition."""

    minute: int
    """Start of the minute, microseconds since the epoch."""
    up_to_offset: int = -1
    seen: int = 0
    decided: int = 0
    duplicates: int = 0
    before_policy: int = 0
    flagged: int = 0
    id_reused: int = 0
    history_incomplete: int = 0
    unknown_fields: int = 0
    no_limit: int = 0
    dead: dict[str, int] = {}
    spend: dict[str, int] = {}

    def add(self, more: "Counts") -> None:
        """Take in what was counted later in the same minute."""
        self.up_to_offset = max(self.up_to_offset, more.up_to_offset)
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(more, name))
        self.dead = _sum(self.dead, more.dead)
        self.spend = _sum(self.spend, more.spend)


COUNTERS = (
    *("seen", "decided", "duplicates", "before_policy", "flagged"),
    *("id_reused", "history_incomplete", "unknown_fields", "no_limit"),
)


@dataclass(slots=True, kw_only=True)
class Tally:
    """A stretch of records as columns of what happened to each: every array has length n."""

    partition: Ints
    offset: Ints
    received_at: Ints
    counters: dict[str, Bools | Ints] = field(default_factory=dict)
    """By name of COUNTERS; `seen` is every record."""
    dead: list[str | None]
    """The reason where the record became a dead letter."""
    spend: Ints
    """Approved spend in minor units, 0 where none."""
    currency: Ints

    def of(self, partition: int) -> "Tally":
        """One partition's records."""
        rows = np.flatnonzero(self.partition == partition)
        return Tally(
            partition=self.partition[rows],
            offset=self.offset[rows],
            received_at=self.received_at[rows],
            counters={name: values[rows] for name, values in self.counters.items()},
            dead=[self.dead[row] for row in rows.tolist()],
            spend=self.spend[rows],
            currency=self.currency[rows],
        )

    def by_minute(self) -> Iterator[Counts]:
        """One partition's stretch cut where a minute ends, oldest first."""
        minutes = self.received_at // MINUTE
        starts = np.flatnonzero(np.diff(minutes, prepend=-1))
        ends = np.append(starts[1:], len(minutes))
        sums = {
            name: np.add.reduceat(values, starts, dtype=np.int64).tolist() for name, values in self.counters.items()
        }
        dead, spend = self._dead(minutes), self._spend(minutes)
        for place, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            minute = int(minutes[start])
            yield Counts(
                minute=minute * MINUTE,
                up_to_offset=int(self.offset[end - 1]),
                seen=end - start,
                **{name: values[place] for name, values in sums.items()},
                dead=dead.get(minute, {}),
                spend=spend.get(minute, {}),
            )

    def _dead(self, minutes: Ints) -> dict[int, dict[str, int]]:
        """Dead letters by minute and reason."""
        found: dict[int, dict[str, int]] = {}
        for minute, reason in zip(minutes.tolist(), self.dead, strict=True):
            if reason is not None:
                reasons = found.setdefault(minute, {})
                reasons[reason] = reasons.get(reason, 0) + 1
        return found

    def _spend(self, minutes: Ints) -> dict[int, dict[str, int]]:
        """Approved spend by minute and currency, minor units."""
        spent = np.flatnonzero(self.spend)
        found: dict[int, dict[str, int]] = {}
        for minute, number, amount in zip(
            minutes[spent].tolist(), self.currency[spent].tolist(), self.spend[spent].tolist(), strict=True
        ):
            amounts = found.setdefault(minute, {})
            code = code_of(number)
            amounts[code] = amounts.get(code, 0) + amount
        return found


@dataclass(slots=True)
class OpenMinute:
    """The newest minute of one partition."""

    counts: Counts | None = None

    def take(self, tally: Tally) -> list[Counts]:
        """Count a stretch; whole values of every minute it touched, the last of which stays open."""
        touched: list[Counts] = []
        for counts in tally.by_minute():
            if self.counts is not None and self.counts.minute == counts.minute:
                self.counts.add(counts)
            else:
                self.counts = counts
            touched.append(self.counts)
        return touched

    def copy(self) -> Counts | None:
        """The counts as they stand now."""
        return None if self.counts is None else copy.deepcopy(self.counts)


def stored(counts: Counts, log_id: str, group: str, partition: int) -> Minute:
    """As the store keeps it."""
    return Minute(
        log_id=log_id,
        group=group,
        partition=partition,
        minute=moment(counts.minute),
        up_to_offset=counts.up_to_offset,
        dead=dict(counts.dead),
        spend=dict(counts.spend),
        **{name: getattr(counts, name) for name in COUNTERS},
    )


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(one) + Counter(other)).items()))
