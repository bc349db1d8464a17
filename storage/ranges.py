"""Where the files of the archive end: at places that the log fixes, so that two writers write the same bytes.

A file ends before the first record with another offset // 100,000 or another received_at // 5 minutes, or that another engine
decides, and it is whole only once that record was seen. Records that have no row (dead letters) belong to a range all the same.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from fraud.columns import Ints

OFFSETS: Final = 100_000
MINUTES: Final = 5
_MICROS: Final = MINUTES * 60_000_000
_SMALL: Final = 64
"""Tables kept apart before they are joined: hundreds of small ones take many times the memory of their rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A whole range of one partition: what one file holds."""

    partition: int
    follows: int
    """Where the last range with rows ended: nothing from there to `first_offset` has a row."""
    first_offset: int
    """Of its first record, whether that has a row or not."""
    end_offset: int
    """After its last record."""
    opened_at: int
    """`received_at` of its first record, microseconds, as the partition's running maximum."""
    received_at: int
    """Of its last record, likewise."""
    dead: int
    """Records without a row."""
    rows: pa.Table


@dataclass(slots=True, kw_only=True)
class OpenRange:
    """Cuts the records of one partition, taken in any portions, into the same ranges."""

    partition: int
    schema: pa.Schema
    next_offset: int = 0
    """After the last record taken; a record before it was taken already."""
    follows: int | None = None
    """Where the last range with rows ended; None where nobody knows, and then the first record stands for it."""
    _first_offset: int = 0
    _opened_at: int = 0
    _received_at: int = 0
    _records: int = 0
    _rows: int = 0
    _tables: list[pa.Table] = field(default_factory=list)
    _small: list[pa.Table] = field(default_factory=list)

    def take(self, offsets: Ints, received_at: Ints, row_offsets: Ints, rows: pa.Table) -> list[Range]:
        """Take the next records, of which those at `row_offsets` have a row; the answer is every range that they end.

        `received_at` is in microseconds and never goes back. All arrays rise.
        """
        new = offsets >= self.next_offset
        offsets, received_at = offsets[new], received_at[new]
        keys = np.stack([offsets // OFFSETS, received_at // _MICROS])
        cuts = np.flatnonzero((np.diff(keys, axis=1) != 0).any(axis=0)) + 1
        ended: list[Range] = []
        for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(offsets)], strict=True):
            if start == end:
                continue
            if self._records and self._key() != (int(keys[0, start]), int(keys[1, start])):
                ended.append(self._whole())
            between = np.searchsorted(row_offsets, [offsets[start], offsets[end - 1] + 1]).tolist()
            self._add(offsets[start:end], received_at[start:end], rows.slice(between[0], between[1] - between[0]))
        return ended

    def end(self) -> list[Range]:
        """The range as it stands, where something else of the log ends it; nothing when it is empty."""
        return [self._whole()] if self._records else []

    def _key(self) -> tuple[int, int]:
        return self._first_offset // OFFSETS, self._opened_at // _MICROS

    def _add(self, offsets: Ints, received_at: Ints, rows: pa.Table) -> None:
        if not self._records:
            self._first_offset, self._opened_at = int(offsets[0]), int(received_at[0])
            self.follows = self._first_offset if self.follows is None else self.follows
        self._records += len(offsets)
        self.next_offset, self._received_at = int(offsets[-1]) + 1, int(received_at[-1])
        if len(rows):
            self._rows += len(rows)
            self._small.append(rows)
        if len(self._small) >= _SMALL:
            self._tables.append(pa.concat_tables(self._small).combine_chunks())
            self._small = []

    def _whole(self) -> Range:
        tables = [*self._tables, *self._small]
        whole = Range(
            partition=self.partition,
            follows=self._first_offset if self.follows is None else self.follows,
            first_offset=self._first_offset,
            end_offset=self.next_offset,
            opened_at=self._opened_at,
            received_at=self._received_at,
            dead=self._records - self._rows,
            rows=pa.concat_tables(tables) if tables else self.schema.empty_table(),
        )
        if self._rows:
            self.follows = self.next_offset
        self._records = self._rows = 0
        self._tables, self._small = [], []
        return whole
