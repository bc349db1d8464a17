"""Every dead letter of the topic is read once, whatever else lies there."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer.letters import TOLD_EVERY, Reading, Selection, count_records, read_letters
from fraud.dead_letters import DeadLetter, Reason
from storage.logs.log import DEAD_LETTERS
from tests.consumer.roads import Road


def dead(**what_matters: Any) -> DeadLetter:
    fields: dict[str, Any] = {
        "topic": "transactions",
        "partition": 0,
        "offset": 0,
        "received_at": 5_000_000,
        "reason": Reason.SCHEMA,
        "detail": "",
        "payload": base64.b64encode(b"as it was").decode(),
    }
    return DeadLetter(**fields | what_matters)


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return Road(tmp_path)


def bury(road: Road, *letters: DeadLetter | bytes) -> None:
    publisher = road.log.publisher()
    for letter in letters:
        publisher.send(DEAD_LETTERS, b"key", letter if isinstance(letter, bytes) else msgspec.json.encode(letter))
    publisher.close()


def test_a_letter_that_was_published_again_is_read_once_and_the_first_counts(road):
    first, again = dead(offset=7, detail="first"), dead(offset=7, detail="again")
    others = [dead(offset=8), dead(offset=7, partition=1), dead(offset=7, topic="other")]
    bury(road, first, again, *others)
    reading = Reading()

    found = [letter.dead for letter in read_letters(road.log, reading)]

    assert found == [first, *others]
    assert (reading.records, reading.repeats, reading.unreadable) == (5, 1, 0)


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no letter", id="no JSON"),
        pytest.param(msgspec.json.encode({"topic": "transactions"}), id="fields missing"),
        pytest.param(msgspec.json.encode(dead()).replace(b"schema", b"newer"), id="a reason of a later release"),
        pytest.param(msgspec.json.encode(dead(payload="not base64!")), id="a payload that is no base64"),
        pytest.param(msgspec.json.encode(dead(received_at=10**18)), id="received in the year 33658"),
        pytest.param(msgspec.json.encode(dead(received_at=10**40)), id="a moment beyond any number"),
    ],
)
def test_what_is_no_letter_is_counted_and_passed_over(road, strange):
    bury(road, dead(offset=1), strange, dead(offset=2))
    reading = Reading()

    assert [letter.dead.offset for letter in read_letters(road.log, reading)] == [1, 2]
    assert reading.unreadable == 1


def test_a_payload_is_the_records_bytes_and_a_masked_one_its_text(road):
    bury(road, dead(offset=1), dead(offset=2, payload="card ****", masked=True), dead(offset=3, payload=""))

    assert [letter.payload for letter in read_letters(road.log, Reading())] == [b"as it was", b"card ****", b""]


@pytest.mark.parametrize("count", [0, 1, TOLD_EVERY - 1, TOLD_EVERY, TOLD_EVERY + 1])
def test_progress_adds_up_to_all_records(road, count):
    bury(road, *(dead(offset=offset) for offset in range(count)))
    told: list[int] = []

    letters = list(read_letters(road.log, Reading(), told.append))

    assert len(letters) == sum(told) == count_records(road.log) == count


@pytest.mark.parametrize(
    ("selection", "is_taken"),
    [
        pytest.param(Selection(), True, id="all"),
        pytest.param(Selection(reasons=frozenset({Reason.SCHEMA})), True, id="its reason"),
        pytest.param(Selection(reasons=frozenset({Reason.EMPTY})), False, id="another reason"),
        pytest.param(Selection(since=5_000_000), True, id="since its moment"),
        pytest.param(Selection(since=5_000_001), False, id="since just after"),
        pytest.param(Selection(until=5_000_000), False, id="until its moment, excluded"),
        pytest.param(Selection(until=5_000_001), True, id="until just after"),
    ],
)
def test_a_selection_takes_by_reason_and_moment(selection, is_taken):
    assert selection.takes(dead()) is is_taken
