"""A flag as a document: what is kept, what is cut, what no store can hold."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.schema import Channel
from storage.flags.documents import MAX_BYTES, MAX_DEPTH, decode, distinct, encode, newest, plain, units
from storage.logs.log import MAX_RECORD_BYTES
from tests.storage.flags.flag_builders import NOON, a_flag, a_hit, a_minute

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=OFFSETS)  # noqa: DTZ001 - the zone is drawn
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(lambda key: "\0" not in key), inner, max_size=3)
    ),
    max_leaves=8,
)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _level in range(depth - 1):
        value = {"in": value}
    return value


@given(received_at=MOMENTS, event_time=MOMENTS, value=VALUES, text=TEXTS.filter(bool))
def test_a_document_comes_back_from_its_json(received_at: datetime, event_time: datetime, value: Any, text: str):
    flag = a_flag(
        received_at=received_at, event_time=event_time, merchant_name=text, context=({"value": value},), verdict="fraud"
    )

    encoded = encode(flag)

    assert decode(encoded.json.decode(), "fraud") == encoded.document
    assert encoded.document["event_time"] == event_time
    assert timedelta(0) <= received_at - encoded.document["received_at"] < timedelta(milliseconds=1)
    assert encoded.document["context"] == [{"value": value}]


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        pytest.param(float("nan"), None, id="what is no number is absent"),
        pytest.param(float("-inf"), None, id="what is not finite is absent"),
        pytest.param(np.float64(1.5), 1.5, id="a number of numpy"),
        pytest.param(np.int64(-3), -3, id="an integer of numpy"),
        pytest.param(np.bool_(True), True, id="a truth of numpy"),
        pytest.param(Channel.POS, "pos", id="a word of a closed set"),
        pytest.param((1, 2), [1, 2], id="a tuple"),
        pytest.param(date(2026, 3, 2), "2026-03-02", id="a day"),
        pytest.param(
            datetime(2026, 3, 2, 13, 0, 0, 1_999, tzinfo=timezone(timedelta(hours=1))),
            "2026-03-02T13:00:00.001999+01:00",
            id="a moment",
        ),
        pytest.param(nested(MAX_DEPTH), nested(MAX_DEPTH), id="as deep as allowed"),
        pytest.param(2**63 - 1, 2**63 - 1, id="the largest integer"),
        pytest.param(-(2**63), -(2**63), id="the smallest integer"),
    ],
)
def test_values_are_made_plain(given_value: Any, kept: Any):
    made = plain(given_value)

    assert made == kept
    assert type(made) is type(kept)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(2**63, id="an integer over 64 bit"),
        pytest.param(-(2**63) - 1, id="an integer under 64 bit"),
        pytest.param(np.uint64(2**63), id="a hash of numpy over 63 bit"),
        pytest.param("\udfff", id="half a pair"),
        pytest.param({"\ud800": 1}, id="half a pair as a key"),
        pytest.param({"a\0b": 1}, id="NUL in a key"),
        pytest.param(nested(MAX_DEPTH), id="one too deep"),
        pytest.param(object(), id="anything else"),
    ],
)
def test_values_that_no_store_holds_are_refused(value: Any):
    with pytest.raises(ValueError, match=r"."):
        plain([value])


def test_a_list_that_holds_itself_is_refused():
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(ValueError, match=r"."):
        encode(a_flag(context=({"endless": endless},)))


def test_a_flag_has_a_limit_in_bytes():
    empty = len(encode(a_flag(context=({"text": ""},))).json)
    room = MAX_BYTES - empty

    assert len(encode(a_flag(context=({"text": "x" * room},))).json) == MAX_BYTES
    with pytest.raises(ValueError, match="900001 bytes, at most 900000"):
        encode(a_flag(context=({"text": "x" * (room + 1)},)))


def test_a_flag_of_the_largest_size_fits_a_record_of_the_log():
    longest_key = 4 * 128  # a user id in UTF-8

    assert MAX_BYTES + longest_key <= MAX_RECORD_BYTES


def test_of_flags_of_one_id_the_first_stays_in_one_order():
    flags = [encode(a_flag(number, score=score)) for number, score in ((2, 1), (1, 1), (2, 2))]

    kept = [(flag.flag.offset, flag.flag.score) for flag in distinct(flags)]

    assert sorted(kept) == [(1, 1), (2, 1)]
    assert distinct(reversed(flags[:2])) == distinct(flags[:2])


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        pytest.param(0.1, 1_000, id="a tenth"),
        pytest.param(812.005, 8_120_050, id="three decimals"),
        pytest.param(1e-5, 0, id="less than any currency knows"),
        pytest.param(99_999_999_999.9999, 999_999_999_999_999, id="as much as a double holds"),
    ],
)
def test_amounts_are_whole_units(amount: float, expected: int):
    assert units(amount) == expected


def test_only_live_hits_name_a_rule():
    hits = (a_hit("burst"), a_hit("burst"), a_hit("far_away", mode="shadow"), a_hit("amount"))

    assert encode(a_flag(hits=hits)).rules == ("amount", "burst")


def test_the_newest_of_each_minute_stays_in_one_order():
    later = NOON + timedelta(minutes=1)
    minutes = [a_minute(5), a_minute(9), a_minute(7), a_minute(1, minute=later), a_minute(3, partition=1)]

    kept = [(minute.partition, minute.minute, minute.up_to_offset) for minute in newest(minutes)]

    assert kept == [(0, NOON, 9), (0, later, 1), (1, NOON, 3)]
    assert newest(reversed(minutes)) == newest(minutes)


def test_of_two_minutes_up_to_the_same_offset_the_first_stays():
    first, second = a_minute(9, flagged=1), a_minute(9, flagged=2)

    assert newest([first, second]) == [first]


def test_moments_are_utc_whatever_zone_they_came_in():
    flag = a_flag(received_at=NOON.astimezone(timezone(timedelta(hours=-5))))

    assert encode(flag).document["received_at"].tzinfo is UTC
