"""A dead letter as a line that a person can edit says all of it, and comes back as it went out."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.letter_lines import line_of, read_lines
from consumer.letters import Letter
from consumer.resending import Candidate, Refusal
from fraud.dead_letters import DeadLetter, Reason

CARD = "4111111111111111"


def letter(payload: bytes, *, masked: bool = False, truncated: bool = False) -> Letter:
    dead = DeadLetter(
        topic="transactions",
        partition=3,
        offset=42,
        received_at=1_772_452_800_000_000,
        reason=Reason.SCHEMA,
        detail="Expected `str`",
        payload=payload.decode() if masked else base64.b64encode(payload).decode(),
        masked=masked,
        truncated=truncated,
    )
    return Letter(dead, payload)


def read(*lines: bytes) -> list[Candidate | Refusal]:
    return list(read_lines(lines))


def test_a_line_says_where_when_why_and_what():
    said = msgspec.json.decode(line_of(letter(b'{"user_id": "Zo\xc3\xab"}')))

    assert said.pop("payload_sha256")
    assert said == {
        "origin": {
            "topic": "transactions",
            "partition": 3,
            "offset": 42,
            "received_at": "2026-03-02T12:00:00Z",
        },
        "reason": "schema",
        "detail": "Expected `str`",
        "masked": False,
        "truncated": False,
        "payload": '{"user_id": "Zoë"}',
    }


def test_bytes_that_are_no_text_are_base64():
    said = msgspec.json.decode(line_of(letter(b"\xff\x00")))

    assert base64.b64decode(said["payload_base64"]) == b"\xff\x00"
    assert "payload" not in said


@given(payload=st.binary() | st.text().map(str.encode))
def test_any_payload_comes_back_as_it_was_on_one_line(payload):
    line = line_of(letter(payload))

    assert line.count(b"\n") == 1
    assert read(line) == [Candidate(place="line 1", payload=payload, reason="schema", is_edited=False)]


@pytest.mark.parametrize("mark", ["masked", "truncated"])
def test_a_mark_comes_back(mark):
    [candidate] = read(line_of(letter(b"what is left", **{mark: True})))

    assert getattr(candidate, mark)


def test_an_edited_payload_is_told_from_one_as_it_was():
    line = line_of(letter(b'{"amount": 1}'))

    [candidate] = read(line.replace(b": 1}", b": 2}"))

    assert candidate.is_edited
    assert candidate.payload == b'{"amount": 2}'


def test_an_object_may_stand_for_the_text():
    [candidate] = read(b'{"note": "by hand", "payload": {"user_id": "u-one", "amount": 10.10}}')

    assert candidate.payload == b'{"user_id": "u-one", "amount": 10.10}'
    assert candidate.is_edited


def test_what_editors_leave_behind_is_passed_over():
    found = read(b'\xef\xbb\xbf{"payload": "a"}\r\n', b"\n", b"   \r\n", b'{"payload": "b"}')

    assert [(one.place, one.payload) for one in found] == [("line 1", b"a"), ("line 4", b"b")]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"payload": "a"', id="cut short"),
        pytest.param(b"payload: a", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"reason": "schema"}', id="no payload"),
        pytest.param(b'{"payload": "a", "payload_base64": "YQ=="}', id="two payloads"),
        pytest.param(b'{"payload_base64": "a"}', id="no base64"),
        pytest.param(b'{"payload_base64": "\xc3\xa9"}', id="no base64, no ASCII"),
        pytest.param(b'{"payload": 17}', id="a number for a payload"),
        pytest.param(b'{"payload": null}', id="null for a payload"),
        pytest.param(b'{"payload": "\xff"}', id="bytes that are no UTF-8"),
        pytest.param(b'{"payload": "a", "masked": "no"}', id="a mark of another type"),
        pytest.param(b'{"payload": ' + b"[" * 100_000, id="a tower of brackets"),
    ],
)
def test_a_broken_line_is_named_and_its_neighbours_are_read(line):
    before, broken, after = read(b'{"payload": "a"}', line, b'{"payload": "b"}')

    assert isinstance(broken, Refusal)
    assert (broken.place, broken.reason) == ("line 2", "broken_line")
    assert "\n" not in broken.detail
    assert (before.payload, after.payload) == (b"a", b"b")


def test_what_is_said_of_a_broken_line_holds_no_card_number():
    [broken] = read(b'{"payload": "a", "masked": "%s", "%s": 1}' % (CARD.encode(), CARD.encode()))

    assert CARD not in broken.detail
