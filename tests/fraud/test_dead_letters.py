"""What is kept of a refused message: its origin, its reason, its bytes; never more than the log takes."""

import base64

import msgspec
import pytest

from fraud.dead_letters import MAX_PAYLOAD, Reason
from fraud.decision import micros
from fraud.decoding import MAX_MESSAGE, dead_letter
from storage.logs.log import DEAD_LETTERS, MAX_RECORD_BYTES
from storage.logs.record_limits import check_record
from tests.builders import NOON
from tests.fraud.messages import CARD, decoded, message, polled_at, raw


def test_a_dead_letter_keeps_origin_reason_and_every_byte() -> None:
    value = b"\x00\xff not json"

    (letter,) = decoded(message(), value).dead

    assert (letter.topic, letter.partition, letter.offset, letter.received_at) == (
        "transactions",
        3,
        101,
        micros(NOON),
    )
    assert base64.b64decode(letter.payload) == value
    assert not letter.masked
    assert not letter.truncated


def test_the_detail_is_one_short_line_without_card_data() -> None:
    (letter,) = decoded(raw(f'"channel":"{"x" * 9_000}\\n5.{CARD} {CARD}"')).dead
    (wrong,) = decoded(message(channel="a\nb" + "x" * 9_000)).dead

    assert CARD not in letter.detail
    assert "\n" not in wrong.detail
    assert len(wrong.detail) == 200
    assert "$.channel" in decoded(message(channel="x")).dead[0].detail


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"\x01" * MAX_RECORD_BYTES, id="control characters"),
        pytest.param(b"\xff" * MAX_RECORD_BYTES, id="no text"),
        pytest.param("😀".encode() * (MAX_RECORD_BYTES // 4), id="four bytes a character"),
        pytest.param(b'"cvv":1,' + b"\x01" * MAX_RECORD_BYTES, id="control characters, masked"),
        pytest.param(b'"cvv":1,' + b"\xff" * MAX_RECORD_BYTES, id="no text, masked"),
        pytest.param(b'"cvv":1,' + "😀".encode() * (MAX_RECORD_BYTES // 4), id="four bytes a character, masked"),
        pytest.param(b'"cvv":1,' + b'"' * MAX_RECORD_BYTES, id="quotes, masked"),
        pytest.param(b'"cvv":1,"channel":"' + b"\\u0001" * 10_000 + b'"', id="a long detail, masked"),
    ],
)
def test_no_dead_letter_is_too_large_for_the_log(value: bytes) -> None:
    letter = dead_letter(polled_at(NOON, [value]), 0, "transactions", Reason.SCHEMA, "\x01" * 100_000)

    size = check_record(DEAD_LETTERS, b"transactions-11-9223372036854775807", msgspec.json.encode(letter))

    assert size <= MAX_RECORD_BYTES
    assert len(letter.payload) <= MAX_PAYLOAD
    assert letter.truncated == (len(value) > MAX_MESSAGE)
