"""Rows of decisions held against others of the same offsets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fraud.columns import Bools, Ints
from storage.decisions import SCHEMA

AT_ONCE: Final = 1_000
"""Rows compared at once; only where they differ each is looked at by itself."""
Row = dict[str, Any]


@dataclass(slots=True)
class HeldRows:
    """Rows in the order of their offsets, kept until they are asked for."""

    _tables: list[pa.Table] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        """The next rows."""
        self._tables.append(rows)

    def between(self, start: int, end: int) -> pa.Table:
        """Those with start <= offset < end; none before `end` is kept any longer."""
        rows = pa.concat_tables(self._tables) if self._tables else SCHEMA.empty_table()
        first, behind = np.searchsorted(_offsets(rows), [start, end]).tolist()
        self._tables = [rows.slice(behind)]
        return rows.slice(first, behind - first)


def within(rows: pa.Table, start: int, end: int, gaps: Sequence[tuple[int, int]]) -> pa.Table:
    """Rows with start <= offset < end that lie in none of the gaps (likewise), in the columns of SCHEMA."""
    offsets = _offsets(rows)
    inside = (offsets >= start) & (offsets < end)
    for gap_start, gap_end in gaps:
        inside &= (offsets < gap_start) | (offsets >= gap_end)
    return rows.filter(pa.array(inside)).select(SCHEMA.names).cast(SCHEMA)


def differences(expected: pa.Table, found: pa.Table, differ: Callable[[Row | None, Row | None], None]) -> int:
    """How many rows are equal in every column; `differ` is told of each other one, None where a side has none."""
    for row in _without(expected, found):
        differ(row, None)
    for row in _without(found, expected):
        differ(None, row)
    expected, found = _among(expected, found), _among(found, expected)
    equal = 0
    for start in range(0, len(expected), AT_ONCE):
        these, those = expected.slice(start, AT_ONCE), found.slice(start, AT_ONCE)
        if these.equals(those):
            equal += len(these)
            continue
        for one, other in zip(these.to_pylist(), those.to_pylist(), strict=True):
            if one == other:
                equal += 1
            else:
                differ(one, other)
    return equal


def _without(rows: pa.Table, others: pa.Table) -> list[Row]:
    mask: Bools = ~np.isin(_offsets(rows), _offsets(others))
    lonely: list[Row] = rows.filter(pa.array(mask)).select(["partition", "offset"]).to_pylist()
    return lonely


def _among(rows: pa.Table, others: pa.Table) -> pa.Table:
    mask: Bools = np.isin(_offsets(rows), _offsets(others))
    return rows if mask.all() else rows.filter(pa.array(mask))


def _offsets(rows: pa.Table) -> Ints:
    offsets: Ints = rows["offset"].to_numpy()
    return offsets
