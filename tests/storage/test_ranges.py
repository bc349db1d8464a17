"""Ranges end where the log says, whatever portions their records come in."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.ranges import OFFSETS, OpenRange, Range

SCHEMA = pa.schema([pa.field("offset", pa.int64())])
MINUTE = 60_000_000


def cut(records: list[tuple[int, int, bool]], cuts: list[int]) -> list[Range]:
    """Ranges of records (offset, received_at, has a row), taken in portions that end at `cuts`; one portion is repeated."""
    opened = OpenRange(partition=3, schema=SCHEMA)
    ended: list[Range] = []
    bounds = [0, *sorted(cut % (len(records) + 1) for cut in cuts), len(records)]
    for start, end in pairwise(bounds):
        for _ in range(2):
            offsets = np.array([offset for offset, _, _ in records[start:end]], np.int64)
            received_at = np.array([at for _, at, _ in records[start:end]], np.int64)
            rows = np.array([offset for offset, _, has_row in records[start:end] if has_row], np.int64)
            ended += opened.take(offsets, received_at, rows, pa.table([pa.array(rows)], schema=SCHEMA))
    return ended


def told(ranges: list[Range]) -> list[tuple[int, ...]]:
    return [
        (one.follows, one.first_offset, one.end_offset, one.opened_at, one.received_at, one.dead, *one.rows["offset"].to_pylist())
        for one in ranges
    ]  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[int, int, bool]]:
    """Records around a multiple of 100,000, now and then some minutes apart, some without a row."""
    steps = draw(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 1, 4]), st.booleans()), max_size=40))
    offset, at = OFFSETS - draw(st.integers(0, 30)), 0
    records = []
    for step, minutes, has_row in steps:
        offset, at = offset + step, at + minutes * MINUTE
        records.append((offset, at, has_row))
    return records


@given(logs(), st.lists(st.integers(0, 100), max_size=8))
def test_portions_and_repeats_change_no_range(records: list[tuple[int, int, bool]], cuts: list[int]) -> None:
    assert told(cut(records, cuts)) == told(cut(records, []))


@given(logs())
def test_every_record_lies_in_one_range_or_is_still_open(records: list[tuple[int, int, bool]]) -> None:
    ranges = cut(records, [])

    kept = [offset for one in ranges for offset in one.rows["offset"].to_pylist()]
    end = ranges[-1].end_offset if ranges else 0
    assert kept == [offset for offset, _, has_row in records if has_row and offset < end]
    assert sum(one.dead for one in ranges) == sum(1 for offset, _, has_row in records if not has_row and offset < end)
    for one in ranges:
        assert one.first_offset // OFFSETS == (one.end_offset - 1) // OFFSETS
        assert one.opened_at // (5 * MINUTE) == one.received_at // (5 * MINUTE)


@pytest.mark.parametrize(
    ("records", "ends"),
    [
        pytest.param([(0, 0), (1, 5 * MINUTE - 1)], [], id="just before five minutes"),
        pytest.param([(0, 0), (1, 5 * MINUTE)], [1], id="at five minutes"),
        pytest.param([(0, 4 * MINUTE), (1, 6 * MINUTE)], [1], id="by the clock's five minutes, not by age"),
        pytest.param([(OFFSETS - 2, 0), (OFFSETS - 1, 0)], [], id="just before 100,000 offsets"),
        pytest.param([(OFFSETS - 1, 0), (OFFSETS, 0)], [OFFSETS], id="at 100,000 offsets"),
        pytest.param([(0, 0), (7, 0), (OFFSETS * 2, 0)], [8], id="over a gap in the offsets"),
    ],
)
def test_a_range_ends_before(records: list[tuple[int, int]], ends: list[int]) -> None:
    ranges = cut([(offset, at, True) for offset, at in records], [])

    assert [one.end_offset for one in ranges] == ends


def test_many_small_portions_are_joined() -> None:
    opened = OpenRange(partition=0, schema=SCHEMA)
    for offset in range(200):
        place = np.array([offset], np.int64)
        opened.take(place, np.zeros(1, np.int64), place, pa.table([pa.array(place)], schema=SCHEMA))

    last = np.array([OFFSETS], np.int64)
    [whole] = opened.take(last, np.zeros(1, np.int64), last, pa.table([pa.array(last)], schema=SCHEMA))

    assert whole.rows["offset"].to_pylist() == list(range(200))
    assert whole.rows["offset"].num_chunks < 20
