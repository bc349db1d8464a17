"""Which records of the log a verification is about: what was asked for, cut to what the group has committed and the log holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from fraud.decision import micros
from fraud.errors import UsageError
from storage.logs.log import TRANSACTIONS, Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says; nothing of it is everything that the group has committed."""

    partitions: Sequence[int] = ()
    """Empty: all of them."""
    since: datetime | None = None
    """By `received_at`, inclusive."""
    until: datetime | None = None
    """Exclusive."""
    from_offset: int | None = None
    to_offset: int | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Records that nothing can be said about."""

    partition: int
    start: int
    end: int
    """Exclusive."""
    reason: str
    minutes: tuple[int, int] | None = None
    """Append times of the first and the last of them, microseconds, where they are known."""

    def __str__(self) -> str:
        """In words."""
        return f"partition {self.partition}, offsets {self.start:,} to {self.end - 1:,}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What of one partition is decided again: start <= offset < end, all of it committed and in the log."""

    partition: int
    start: int
    end: int
    gaps: tuple[Gap, ...] = ()
    """Asked for, and no longer in the log."""
    undecided: int = 0
    """Asked for, and not committed yet."""

    def __len__(self) -> int:
        """How many offsets."""
        return max(0, self.end - self.start)


def ranges(source: Log, group: str, asked: Asked) -> list[Range]:
    """One for each partition asked for. Raises UsageError for a partition that the topic does not have, LogError."""
    count = source.partitions(TRANSACTIONS)
    for partition in asked.partitions:
        if not 0 <= partition < count:
            raise UsageError(f"--partition is {partition}: {TRANSACTIONS} has the partitions 0 to {count - 1}")
    committed = source.committed(TRANSACTIONS, group)
    chosen = sorted(set(asked.partitions)) or range(count)
    return [_range(source, partition, committed.get(partition, 0), asked) for partition in chosen]


def _range(source: Log, partition: int, committed: int, asked: Asked) -> Range:
    first, log_end = source.bounds(TRANSACTIONS, partition)
    start = _start(source, partition, first, asked)
    end = _end(source, partition, max(committed, log_end), asked)
    decided_to = min(end, committed)
    return Range(
        partition=partition,
        start=max(start, first),
        end=max(start, first, min(decided_to, log_end)),
        gaps=tuple(_gone(partition, (start, decided_to), (first, log_end))),
        undecided=max(0, min(end, log_end) - max(committed, start)),
    )


def _start(source: Log, partition: int, first: int, asked: Asked) -> int:
    if asked.from_offset is not None:
        return asked.from_offset
    if asked.since is None:
        return 0
    start = source.offset_at(TRANSACTIONS, partition, micros(asked.since))
    # Where the log begins within the period, what was there before may have been received in it as well.
    return start if start > first else 0


def _end(source: Log, partition: int, last: int, asked: Asked) -> int:
    if asked.to_offset is not None:
        return asked.to_offset
    return last if asked.until is None else source.offset_at(TRANSACTIONS, partition, micros(asked.until))


def _gone(partition: int, wanted: tuple[int, int], held: tuple[int, int]) -> Iterator[Gap]:
    """What was decided and has left the log since, at either end."""
    (start, end), (first, log_end) = wanted, held
    if start < min(end, first):
        reason = f"the log begins at offset {first:,}: they have expired"
        yield Gap(partition=partition, start=start, end=min(end, first), reason=reason)
    if end > max(start, log_end):
        reason = f"the log ends at offset {log_end:,}, the group stands beyond it: it was truncated or replaced"
        yield Gap(partition=partition, start=max(start, log_end), end=end, reason=reason)
