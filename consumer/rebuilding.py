"""Memory from the archive, where the log no longer reaches back: the payments of its files, as if the log still had them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from consumer.deciding import Decider
from fraud.columns import Ints
from fraud.currencies import NO_CURRENCY
from fraud.errors import ArchiveError
from storage.archive import Archive, ArchiveFile
from storage.archived_payments import batches, last_event_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Offsets that are in neither log nor archive, although windows of the next payments reach into them."""

    start: int
    end: int
    """The first offset that is there again."""
    reason: str
    until: int | None = None
    """The partition's newest event time (W, microseconds) from which on no window reaches into them; None: not known."""

    def __str__(self) -> str:
        """One line for people."""
        return f"offsets {self.start} to {self.end} are missing: {self.reason}"


def still_missing(missing: Missing | None, newest: int) -> Missing | None:
    """What a memory lacks, once its newest event time (microseconds) is known; None where no window reaches there any more."""
    is_past = missing is not None and missing.until is not None and newest >= missing.until
    return None if is_past else missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files that hold what came before the log's beginning, oldest first, and what is missing before them."""

    files: Sequence[ArchiveFile]
    missing: Missing | None


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Brings payments of the archive into a decider's memory."""

    archive: Archive

    def last_event_time(self, partition: int, before: int) -> int | None:
        """Event time of the last archived payment before an offset, microseconds; None where there is none to be read."""
        with suppress(ArchiveError):  # `source` says it
            for name in reversed(self.archive.names(partition)):
                if name.first_offset < before:
                    table = self.archive.table(self.archive.file(name), ["offset", "event_time"])
                    if (at := last_event_time(table, before)) is not None:
                        return at
        return None

    def source(self, log_id: str, partition: int, reach: int, first: int) -> Source:
        """What the archive holds of the records before `first` that were received at `reach` (microseconds) or later.

        Only what joins the log without a gap is taken.
        """
        try:
            names = self.archive.names(partition)
            behind = next((self.archive.file(name) for name in names if name.first_offset >= first), None)
            needed = first if behind is None else min(first, behind.follows)
            taken: list[ArchiveFile] = []
            for name in reversed([name for name in names if name.first_offset < first]):
                file = self.archive.file(name)
                if file.log_id != log_id:
                    return Source(files=(), missing=_missing(0, first, "the archive is another log's"))
                if file.end_offset < needed:
                    why = "the log no longer has them and the archive does not hold them"
                    return Source(files=taken[::-1], missing=_missing(file.end_offset, needed, why))
                if file.received_at < reach:
                    return Source(files=taken[::-1], missing=None)
                taken.append(file)
                needed = file.follows
        except ArchiveError as error:
            return Source(files=(), missing=_missing(0, first, str(error)))
        why = "the log no longer has them and the archive begins later"
        return Source(files=taken[::-1], missing=_missing(0, needed, why) if needed else None)

    def remember(self, decider: Decider, file: ArchiveFile, before: int) -> tuple[int, int]:
        """Take the payments of one file, as far as they lie before an offset, into memory.

        How many they were, and the partition's clock behind them (microseconds). Raises ArchiveError.
        """
        table = self.archive.table(file)
        payments, clock = 0, file.received_at if file.end_offset <= before else 0
        for batch in batches(table, lambda received_at: _stretches(decider, received_at), before):
            decider.engine.remember(batch)
            payments += len(batch)
            clock = max(clock, int(batch.received_at[-1]))
        return payments, clock


def _stretches(decider: Decider, received_at: Ints) -> Iterator[tuple[int, int, str]]:
    """Rows that one policy rules, and the currency of those that name none."""
    policies = decider.timeline.at(received_at)
    for index in np.unique(policies).tolist():
        rows = np.flatnonzero(policies == index)
        currency = NO_CURRENCY if index < 0 else decider.timeline.policies[index].rules.default_currency
        yield int(rows[0]), int(rows[-1]) + 1, currency


def _missing(start: int, end: int, reason: str) -> Missing:
    return Missing(start=start, end=end, reason=reason)
