from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from dashboard import counters
from dashboard.periods import period
from storage.flags import frames
from tests.dashboard.seeding import minute

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minutes_of(*rows):
    return frames.minutes([{name: getattr(row, name) for name in row.__slots__} for row in rows])


def arrived(*rows, bucket=MINUTE):
    return counters.arrivals(minutes_of(*rows), bucket)


def test_partitions_and_minutes_of_a_bucket_are_summed():
    found = arrived(
        minute(NOON, 0, seen=10, dead={"schema": 1}, spend={"EUR": 100}),
        minute(NOON, 1, seen=5, dead={"schema": 2, "pan_detected": 1}, spend={"EUR": 50, "JPY": 7}),
        minute(NOON + 4 * MINUTE, 0, seen=1, dead={}, spend={}),
        bucket=5 * MINUTE,
    )

    assert found["start"].tolist() == [NOON]
    assert found["seen"].tolist() == [16]
    assert counters.dead_by_reason(found) == {"schema": 3, "pan_detected": 1}
    assert found["spend"].tolist() == [{"EUR": 150, "JPY": 7}]
    assert counters.newest_minute(found) == NOON + 4 * MINUTE


def test_a_log_that_two_groups_decide_is_counted_once():
    found = arrived(
        minute(NOON, group="fraud", up_to_offset=99, seen=10), minute(NOON, group="second", up_to_offset=80, seen=8)
    )

    assert counters.totals(found)["seen"] == 10


def test_minutes_that_only_hold_nothing_are_not_the_newest():
    found = arrived(minute(NOON, seen=1), minute(NOON + MINUTE, seen=0))

    assert counters.newest_minute(found) == NOON


def test_spans_join_into_what_one_question_would_have_given():
    rows = [minute(NOON + at * MINUTE, partition, seen=at + partition) for at in range(8) for partition in (0, 1)]
    whole = arrived(*rows, bucket=5 * MINUTE)

    parts = [arrived(*rows[:5], bucket=5 * MINUTE), arrived(*rows[5:], bucket=5 * MINUTE), arrived(bucket=5 * MINUTE)]

    pd.testing.assert_frame_equal(counters.joined(parts), whole, check_dtype=False)


def test_nothing_is_zero_everywhere():
    over = period("1h", NOON)
    found = arrived()

    assert counters.per_bucket(found, over, "seen").tolist() == [0.0] * len(over.starts)
    assert counters.spend(found, over, "EUR").sum() == 0
    assert counters.dead_by_reason(found) == {}
    assert counters.newest_minute(found) is None
    assert counters.currencies(frames.buckets([]), found) == []


def test_every_bucket_of_a_period_has_its_value():
    over = period("15m", NOON)
    found = arrived(minute(over.starts[3], seen=7), minute(over.starts[-1], seen=2))

    series = counters.per_bucket(found, over, "seen")

    assert series.index.tolist() == over.starts
    assert [int(value) for value in series] == [0, 0, 0, 7, *[0] * 11, 2]


def test_spend_is_in_major_units_of_its_currency():
    over = period("15m", NOON)
    found = arrived(minute(NOON, spend={"EUR": 12_345, "JPY": 600, "KWD": 1_500}))

    assert [counters.spend(found, over, code).sum() for code in ("EUR", "JPY", "KWD")] == [123.45, 600.0, 1.5]


@pytest.mark.parametrize(
    ("complete", "delta"),
    [
        pytest.param((), None, id="nothing complete"),
        pytest.param((4.0,), None, id="one complete bucket"),
        pytest.param((4.0, 9.0), 5.0, id="two"),
        pytest.param((1.0, 4.0, 2.0), -2.0, id="only the last two count"),
    ],
)
def test_a_change_compares_complete_buckets(complete, delta):
    assert counters.Figure(total=100.0, complete=complete).delta == delta


def test_the_bucket_that_still_grows_is_in_the_total_and_not_in_the_change():
    series = pd.Series([1.0, 2.0, 50.0])

    found = counters.figure(series, complete=2)

    assert (found.total, found.complete, found.delta) == (53.0, (1.0, 2.0), 1.0)


def test_the_share_of_flags_is_counted_per_bucket_too():
    part, whole = counters.figure(pd.Series([1.0, 0.0]), 2), counters.figure(pd.Series([100.0, 0.0]), 2)

    found = counters.per_10_000(part, whole)

    assert found == counters.Figure(total=100.0, complete=(100.0, 0.0))
    assert counters.per_10_000(part, counters.Figure(total=0.0, complete=(0.0, 0.0))) is None


def test_the_currency_with_the_most_flags_comes_first():
    ms = int(NOON.timestamp() * 1000)
    buckets = frames.buckets([(ms, 3, "USD", 1, 10), (ms, 3, "GBP", 4, 10)])
    found = arrived(minute(NOON, spend={"EUR": 1, "CHF": 900}))

    assert counters.currencies(buckets, found) == ["GBP", "USD", "CHF", "EUR"]


def test_a_currency_of_large_numbers_does_not_come_before_one_that_is_spent_all_the_time():
    later = [minute(NOON + timedelta(minutes=number), spend={"EUR": 100}) for number in range(3)]
    found = arrived(minute(NOON + timedelta(minutes=9), spend={"KRW": 44_650}), *later)

    assert counters.currencies(frames.buckets([]), found) == ["EUR", "KRW"]
