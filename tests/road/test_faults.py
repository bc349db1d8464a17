"""Whatever happens to the broker or to a consumer, the flags are those of one consumer that nothing happened to."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.connect import topics
from fraud.errors import LogAwayError
from storage.logs.log import TRANSACTIONS
from tests.road.again import decide_again, imported, records_in
from tests.road.kafka_road import KafkaRoad
from tests.road.results import differences
from tests.road.traffic import five_parts, send, wait_for_latest_policy
from tests.services.frozen import frozen
from tests.services.server import wait_until

pytestmark = pytest.mark.timeout(400)

LONGER_THAN_A_SESSION = timedelta(seconds=20)


@pytest.fixture
def parts(road: KafkaRoad) -> list[Any]:
    """A road with a policy in force, and what shall travel on it."""
    road.log.create(topics(road.settings))
    road.commands.run("init")
    wait_for_latest_policy(road.log)
    return five_parts()


def test_an_outage_of_the_broker_pauses_consumers_and_costs_nothing(
    road: KafkaRoad, parts: list[Any], kafka: Any, tmp_path: Path
):
    for name in ("one", "two"):
        road.start_consumer(name, failpoints="after_store=stall:5@1")
    road.wait_for_group()
    send(road.log, parts[0])
    road.wait_until(lambda: bool(road.results().flags), "flags that are stored and not committed")

    kafka.kill()
    road.wait_until(lambda: all(has_noticed(beat) for beat in road.beats()), "every consumer to notice")
    began = datetime.now(UTC)
    road.wait_until(lambda: datetime.now(UTC) - began > LONGER_THAN_A_SESSION, "their sessions to be over")
    kafka.start()
    wait_until(lambda: answers(road), "the broker to answer")
    send(road.log, parts[1])
    road.wait_until_decided()
    road.wait_for_group()
    send(road.log, parts[2])
    road.wait_until_decided()

    assert_nothing_happened(road, tmp_path)


def test_a_consumer_leaves_when_asked_to_while_the_broker_is_away(road: KafkaRoad, parts: list[Any], kafka: Any):
    road.start_consumer("one", failpoints="after_store=stall:5@1")
    road.wait_for_group()
    send(road.log, parts[0])
    road.wait_until(lambda: bool(road.results().flags), "flags that are stored and not committed")

    kafka.kill()
    road.wait_until(lambda: all(has_noticed(beat) for beat in road.beats()), "the consumer to notice")
    code = road.stop_consumer("one")
    kafka.start()
    wait_until(lambda: answers(road), "the broker to answer")

    assert code in {0, 1}


def has_noticed(beat: Any) -> bool:
    """Paused, or waiting for an acknowledgement without a word."""
    return beat.state == "paused" or datetime.now(UTC) - beat.at > timedelta(seconds=15)


def answers(road: KafkaRoad) -> bool:
    """Whether the broker is back for us, too."""
    try:
        return road.log.partitions(TRANSACTIONS) > 0 and road.lag() >= 0
    except LogAwayError:
        return False


def test_a_consumer_that_was_frozen_until_its_partitions_moved_changes_nothing_and_goes_on(
    road: KafkaRoad, parts: list[Any], tmp_path: Path
):
    road.start_consumer("one", failpoints="after_store=stall:5@1")
    road.start_consumer("two")
    road.wait_for_group()
    send(road.log, parts[0])
    road.wait_until(lambda: bool(road.results().flags), "flags that are stored and not committed")

    with frozen(lambda: [road.commands.pid("one")]):
        road.wait_until(lambda: {"0", "1", "2", "3"} in road.partitions_by_consumer(), "all partitions to move to one")
        send(road.log, parts[1])
        road.wait_until_decided()
    road.wait_for_group()
    send(road.log, parts[2])
    road.wait_until_decided()

    assert_nothing_happened(road, tmp_path)


def test_a_member_whose_name_was_taken_leaves_with_a_line_while_nothing_arrives(
    road: KafkaRoad, parts: list[Any], tmp_path: Path
):
    road.commands.start("first", "consume", member="fixed")
    wait_until(lambda: any(beat.state == "running" for beat in road.beats()), "the first to run", 60)
    send(road.log, parts[0])
    road.wait_until_decided()

    road.start_consumer("second", member="fixed")

    with pytest.raises(RuntimeError, match=r"first ended with 1: (?s:.*)another process took this member's name"):
        wait_until(lambda: road.commands.is_over("first"), "the first to leave", 90)
    send(road.log, parts[1])
    road.wait_until_decided()
    assert_nothing_happened(road, tmp_path)


def assert_nothing_happened(road: KafkaRoad, tmp_path: Path) -> None:
    """Flags and counters are those of one consumer over the same log without any server."""
    again, found = tmp_path / "again", road.results()
    with closing(imported(road.log, again)) as copy:
        messages = records_in(copy)
    for comparison in differences(decide_again(again, road.settings.group), found):
        assert comparison.is_equal, "\n".join(comparison.lines())
    assert found.accounted == messages
    assert len(found.flags) > 10
