from datetime import UTC, datetime, timedelta

import pytest

from dashboard.periods import ALL, PERIODS, SETTLING, ago, floor, in_words, period

NOW = datetime(2026, 3, 2, 12, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize("name", [name for name in PERIODS if name != ALL])
def test_a_period_is_whole_buckets_and_holds_the_present_one(name):
    found = period(name, NOW)

    assert found.since == floor(found.since, found.bucket)
    assert found.until - found.bucket <= NOW < found.until
    assert found.starts[-1] + found.bucket == found.until
    assert 15 <= len(found.starts) <= 120


def test_a_period_stays_the_same_while_its_last_bucket_lasts():
    assert period("1h", NOW) == period("1h", NOW + timedelta(seconds=3))
    assert period("1h", NOW) != period("1h", NOW + timedelta(seconds=4))


@pytest.mark.parametrize(
    ("past_the_minute", "complete"),
    [
        pytest.param(timedelta(0), 59, id="the bucket has just ended"),
        pytest.param(SETTLING - timedelta(microseconds=1), 59, id="it may still grow"),
        pytest.param(SETTLING, 60, id="it has settled"),
        pytest.param(timedelta(seconds=59), 60, id="the next one is not complete"),
    ],
)
def test_a_bucket_is_complete_once_it_cannot_grow(past_the_minute, complete):
    now = floor(NOW, timedelta(minutes=1)) + past_the_minute

    assert len(period("1h", now).complete(now)) == complete


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        pytest.param(0.01, timedelta(minutes=1), id="minutes"),
        pytest.param(1, timedelta(minutes=15), id="a day"),
        pytest.param(14, timedelta(hours=12), id="two weeks"),
        pytest.param(5_000, timedelta(days=30 * 2), id="many years"),
    ],
)
def test_all_spans_what_is_stored_in_few_buckets(days, bucket):
    first = datetime(2018, 4, 1, 7, tzinfo=UTC)
    last = first + timedelta(days=days)

    found = period(ALL, NOW, (first, last))

    assert found.since <= first
    assert last < found.until
    assert len(found.starts) <= 170
    assert found.bucket <= bucket


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")]
)
def test_ago_is_short(seconds, words):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("bucket", "words"),
    [(timedelta(minutes=1), "minute"), (timedelta(minutes=15), "15 minutes"), (timedelta(hours=12), "12 hours")],
)
def test_a_bucket_has_a_name(bucket, words):
    assert in_words(bucket) == words
