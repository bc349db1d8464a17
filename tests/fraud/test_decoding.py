"""Every message becomes a payment or a dead letter with its reason; none takes its neighbours along."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.batch import Batch
from fraud.dead_letters import Reason
from fraud.decoding import MAX_MESSAGE, MAX_NESTING, Intake, decode
from tests.builders import NOON
from tests.fraud.messages import CARD, REQUIRED, decoded, message, of_length, polled_at, raw, reason_of


def without(name: str) -> bytes:
    return msgspec.json.encode({other: value for other, value in REQUIRED.items() if other != name})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(message(), "payment", id="the four required fields alone"),
        pytest.param(None, "empty", id="a tombstone"),
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b" ", "not_json", id="a blank"),
        pytest.param(of_length(MAX_MESSAGE), "payment", id="64 KiB exactly"),
        pytest.param(of_length(MAX_MESSAGE + 1), "oversized", id="a byte over 64 KiB"),
        pytest.param(b"\xff\xfe", "not_json", id="no UTF-8"),
        pytest.param(message().replace(b"u-one", b"u-\xff"), "not_json", id="no UTF-8 within a text"),
        pytest.param(b"\xef\xbb\xbf" + message(), "not_json", id="a byte order mark"),
        pytest.param(message()[:-1], "not_json", id="cut short"),
        pytest.param(message() + b"{}", "not_json", id="two in one"),
        pytest.param(b"[]", "schema", id="a list"),
        pytest.param(b"null", "schema", id="null"),
        pytest.param(b"17", "schema", id="a number"),
        pytest.param(b"NaN", "not_json", id="NaN"),
        pytest.param(raw(r'"city":"\ud800"'), "not_json", id="half a surrogate pair"),
        pytest.param(raw(r'"city":"\udc00 x"'), "not_json", id="the other half"),
        pytest.param(raw(r'"city":"\ud83d\ude00"'), "payment", id="a whole pair"),
        pytest.param(raw(r'"city":"a\u0000b"'), "schema", id="an escaped NUL"),
        pytest.param(raw('"city":"a\x00b"'), "not_json", id="a bare NUL"),
        pytest.param(raw(r'"city":"a\\u0000b"'), "payment", id="a backslash that only looks like a NUL"),
        pytest.param(raw(r'"surplus":"a\u0000b"'), "payment", id="a NUL in a field that is dropped"),
        pytest.param(raw(f'"x":{"[" * (MAX_NESTING - 1)}{"]" * (MAX_NESTING - 1)}'), "payment", id="as deep as it may be"),
        pytest.param(raw(f'"y":[],"x":{"[" * (MAX_NESTING - 1)}{"]" * (MAX_NESTING - 1)}'), "payment", id="so deep, more beside"),
        pytest.param(raw(f'"x":{"[" * MAX_NESTING}{"]" * MAX_NESTING}'), "not_json", id="a level deeper"),
        pytest.param(raw(f'"x":{"[" * 20_000}'), "not_json", id="a tower of brackets"),
        pytest.param(raw(f'"x":"{"[{" * 20_000}"'), "payment", id="brackets in a text"),
        pytest.param(raw('"amount":"a lot","x":' + '{"a":' * 999 + "1" + "}" * 999), "not_json", id="deep and wrong"),
        *(pytest.param(without(name), "schema", id=f"no {name}") for name in REQUIRED),
        *(pytest.param(msgspec.json.encode(REQUIRED | {name: None}), "schema", id=f"{name} null") for name in REQUIRED),
        pytest.param(message(user_id=""), "schema", id="an empty user id"),
        pytest.param(message(user_id="u" * 128), "payment", id="a user id of 128 characters"),
        pytest.param(message(user_id="u" * 129), "schema", id="a user id of 129 characters"),
        pytest.param(message(user_id=17), "schema", id="a user id that is a number"),
        pytest.param(message(city=""), "schema", id="a city that is empty, not absent"),
        pytest.param(message(city=None), "payment", id="a city that is null, so absent"),
        pytest.param(message(channel="carrier pigeon"), "schema", id="an unknown channel"),
        pytest.param(message(event_time="2026-03-02T12:00:00"), "schema", id="a time without an offset"),
        pytest.param(message(event_time="2026-02-30T12:00:00Z"), "schema", id="a day that does not exist"),
        pytest.param(message(event_time=1772452800), "schema", id="a time as seconds"),
        pytest.param(message(event_time="1970-01-01T00:00:00Z"), "payment", id="1970"),
        pytest.param(message(event_time="1969-12-31T23:59:59.999999Z"), "schema", id="just before 1970"),
        pytest.param(message(event_time="1970-01-01T00:00:00+01:00"), "schema", id="1970 in the east, 1969 in UTC"),
        pytest.param(message(event_time="0001-01-01T00:00:00+14:00"), "schema", id="the first moment there is"),
        pytest.param(message(event_time="9999-12-31T23:59:59-14:00"), "clock_skew", id="the last moment there is"),
        pytest.param(message(country="DE", ip_country="FR"), "payment", id="countries"),
        pytest.param(message(country="de"), "schema", id="a country in small letters"),
        pytest.param(message(ip_country="D1"), "schema", id="a country with a digit"),
        pytest.param(message(mcc="5411", card_last4="0000"), "payment", id="four digits"),
        pytest.param(message(mcc="54I1"), "schema", id="an mcc with a letter"),
        pytest.param(message(card_last4="１２３４"), "schema", id="digits of another alphabet"),
        pytest.param(message(latitude=90, longitude=-180), "payment", id="the edge of the map"),
        pytest.param(message(latitude=90.1, longitude=0), "schema", id="off the map"),
        pytest.param(message(latitude=1.0), "schema", id="a latitude without a longitude"),
        pytest.param(message(longitude=1.0), "schema", id="a longitude without a latitude"),
        pytest.param(message(currency="EUX"), "unknown_currency", id="a currency that does not exist"),
        pytest.param(message(original_currency="eur"), "unknown_currency", id="a currency in small letters"),
        pytest.param(message(amount=0), "payment", id="nothing to pay"),
        pytest.param(message(amount=-0.01), "schema", id="a negative amount"),
        pytest.param(message(amount="10.00"), "schema", id="an amount as text"),
        pytest.param(message(amount=10.01), "payment", id="cents"),
        pytest.param(message(amount=10.001), "amount_decimals", id="a tenth of a cent"),
        pytest.param(message(amount=100, currency="JPY"), "payment", id="yen"),
        pytest.param(message(amount=100.5, currency="JPY"), "amount_decimals", id="half a yen"),
        pytest.param(message(amount=1.005, currency="KWD"), "payment", id="fils"),
        pytest.param(message(amount=1.0005, currency="KWD"), "amount_decimals", id="half a fils"),
        pytest.param(message(amount=10**13), "payment", id="the largest amount in euros"),
        pytest.param(message(amount=10**13 + 0.01), "amount_range", id="a cent more"),
        pytest.param(message(amount=10**15, currency="JPY"), "payment", id="the largest amount in yen"),
        pytest.param(message(amount=10**15 + 1, currency="JPY"), "amount_range", id="a yen more"),
        pytest.param(message(amount=1e307), "amount_range", id="an amount whose minor units are infinite"),
        pytest.param(raw('"amount":1e400'), "schema", id="an amount that is infinite"),
        pytest.param(raw('"amount":1' + "0" * 400), "schema", id="an integer of 400 digits"),
        pytest.param(raw('"surplus":1' + "0" * 400), "payment", id="an integer of 400 digits in a field that is dropped"),
        pytest.param(raw('"surplus":1e400'), "payment", id="infinity in a field that is dropped"),
        pytest.param(message(original_amount=1e308), "schema", id="an original amount that nobody pays"),
        pytest.param(message(latitude=52.52000659999999, longitude=13.40495399999997), "payment", id="long coordinates"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_message(value: bytes | None, reason: str) -> None:
    assert reason_of(value) == reason


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [
        pytest.param(timedelta(days=-9_000), "payment", id="decades late"),
        pytest.param(timedelta(minutes=5), "payment", id="exactly five minutes ahead"),
        pytest.param(timedelta(minutes=5, microseconds=1), "clock_skew", id="a microsecond more"),
    ],
)
def test_an_event_may_lie_five_minutes_after_the_logs_clock(ahead: timedelta, reason: str) -> None:
    for milliseconds in range(0, 3_000, 7):
        received_at = NOON + timedelta(milliseconds=milliseconds)
        polled = polled_at(received_at, [message(event_time=(received_at + ahead).isoformat())])
        result = decode(polled, Intake(topic="transactions", default_currency="EUR"))
        assert [letter.reason for letter in result.dead] == ([] if reason == "payment" else [reason])


def test_every_reason_but_those_found_later_is_in_the_table() -> None:
    (table,) = (mark for mark in test_what_becomes_of_a_message.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    shown = {case.values[1] for case in table.args[1]}

    assert shown == {"payment", *Reason} - {Reason.PAN_DETECTED, Reason.ID_CONFLICT, Reason.UNENCODABLE}


def test_decimals_are_those_of_the_default_currency_when_none_is_named() -> None:
    value = message(amount=1.005)

    assert reason_of(value, default_currency="KWD") == "payment"
    assert reason_of(value, default_currency="EUR") == "amount_decimals"
    assert decoded(value, default_currency="KWD").batch.amount.tolist() == [1005]


def test_of_a_field_that_is_given_twice_the_last_one_counts() -> None:
    assert decoded(raw('"amount":2.5')).batch.amount.tolist() == [250]


def test_unknown_fields_are_dropped_and_counted() -> None:
    result = decoded(message(), message(one=1, two={"three": 3}), message(city="Ulm"), raw('"one":1,"one":2'))

    assert result.unknown_fields.tolist() == [0, 2, 0, 1]
    assert "one" not in msgspec.to_builtins(result.batch.rows.transaction(1))


good = st.builds(lambda number, amount: message(transaction_id=f"t-{number}", amount=amount),
                 st.integers(0, 99), st.integers(0, 500))  # fmt: skip
bad = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.sampled_from([message(amount=-1), message(city=CARD), message(country="??"), raw('"x":' + "[" * 5_000)]),
)


@given(st.lists(st.tuples(st.booleans(), good, bad), max_size=12))
def test_one_bad_message_never_fails_its_neighbours(stream: list[tuple[bool, bytes, bytes | None]]) -> None:
    values = [good if is_good else bad for is_good, good, bad in stream]
    alone = [value for is_good, value, _ in stream if is_good]

    result, expected = decoded(*values), decoded(*alone)

    assert result.rows.tolist() == [row for row, (is_good, _, _) in enumerate(stream) if is_good]
    assert [letter.offset - 100 for letter in result.dead] == [
        row for row, (is_good, _, _) in enumerate(stream) if not is_good
    ]
    assert same_payments(result.batch, expected.batch)


def same_payments(one: Batch, other: Batch) -> bool:
    names = [name for name in Batch.__dataclass_fields__ if name not in ("rows", "offset")]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
