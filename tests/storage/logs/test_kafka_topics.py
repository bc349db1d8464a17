"""How topics are kept decides what can be decided again: each way in which it cannot is said, with what to set."""

import msgspec
import pytest

from fraud.dead_letters import Reason
from fraud.decoding import dead_letter
from storage.flags.documents import MAX_BYTES
from storage.logs.kafka_topics import AROUND_A_RECORD, LARGEST, misconfigured
from storage.logs.log import DEAD_LETTERS, FLAGS, MAX_BATCH_BYTES, MAX_RECORD_BYTES
from storage.logs.record_limits import check_record
from tests.builders import NOON
from tests.fraud.messages import polled_at

NEEDED_MS = 37 * 86_400_000 + 3_600_000
KEPT = {
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": str(NEEDED_MS),
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
}
FOR_EVER = {**KEPT, "retention.ms": "-1"}
LEAST = {topic: largest + AROUND_A_RECORD for topic, largest in LARGEST.items()}
OLDER_DEFAULT = 1_000_012
"""What `max.message.bytes` was by default in older releases of Kafka."""


@pytest.mark.parametrize(
    ("topic", "config", "hint", "forbids_start"),
    [
        pytest.param(
            "transactions", {"message.timestamp.type": "CreateTime"}, "senders' clocks", True, id="payments' clock"
        ),
        pytest.param(
            "policies", {"message.timestamp.type": "CreateTime"}, "senders' clocks", True, id="policies' clock"
        ),
        pytest.param(
            "flags", {"max.message.bytes": str(LEAST[FLAGS] - 1)}, "takes no record", True, id="a flag too large"
        ),
        pytest.param(
            "transactions.dlq",
            {"max.message.bytes": str(LEAST[DEAD_LETTERS] - 1)},
            "takes no record",
            True,
            id="a dead letter",
        ),
        pytest.param("transactions", {"retention.ms": str(NEEDED_MS - 1)}, "after 37 days", False, id="just too short"),
        pytest.param("transactions", {"retention.ms": "604800000"}, "after 7 days", False, id="Kafka's own default"),
        pytest.param("transactions", {"retention.ms": "3600000"}, "after 1:00:00", False, id="an hour"),
        pytest.param("transactions", {"retention.bytes": "1000000000"}, "beyond 1000000000 bytes", False, id="by size"),
        pytest.param("transactions", {"cleanup.policy": "compact,delete"}, "is compacted", False, id="by key"),
        pytest.param("policies", {"retention.ms": "604800000"}, "`policies` forgets", False, id="policies by age"),
        pytest.param("policies", {"retention.bytes": "1000"}, "`policies` forgets", False, id="policies by size"),
        pytest.param("policies", {"cleanup.policy": "compact"}, "is compacted", False, id="policies by key"),
    ],
)
def test_each_way_of_forgetting_is_said_with_what_to_set(
    topic: str, config: dict[str, str], hint: str, forbids_start: bool
) -> None:
    configs = {"transactions": KEPT, "policies": FOR_EVER, "flags": KEPT, "transactions.dlq": KEPT}

    [problem] = misconfigured({**configs, topic: {**configs[topic], **config}})

    assert hint in problem.says
    assert f"topic `{topic}`" in problem.says
    assert "set " in problem.says
    assert problem.forbids_start is forbids_start


@pytest.mark.parametrize("kept", [str(NEEDED_MS), str(NEEDED_MS + 1), "-1"], ids=["exactly", "longer", "for ever"])
def test_topics_that_reach_back_far_enough_are_well(kept: str) -> None:
    assert misconfigured({"transactions": {**KEPT, "retention.ms": kept}, "policies": FOR_EVER}) == []


@pytest.mark.parametrize(
    ("topic", "room"),
    [
        *[pytest.param(topic, room, id=f"{topic}, just enough") for topic, room in LEAST.items()],
        *[pytest.param(topic, OLDER_DEFAULT, id=f"{topic}, an older default") for topic in LEAST],
        *[pytest.param(topic, MAX_BATCH_BYTES, id=f"{topic}, as made by init") for topic in LEAST],
    ],
)
def test_topics_that_take_the_largest_record_are_well(topic: str, room: int) -> None:
    assert misconfigured({topic: {"max.message.bytes": str(room)}}) == []


def test_the_largest_flag_is_what_a_flag_may_be() -> None:
    longest_key = 4 * 128  # a user id in UTF-8

    assert LARGEST[FLAGS] == MAX_BYTES + longest_key


def test_no_dead_letter_is_larger_than_the_largest() -> None:
    value = b'"cvv":1,' + b"\x01" * MAX_RECORD_BYTES
    polled = polled_at(NOON, [value])
    letter = dead_letter(polled, 0, "transactions", Reason.UNKNOWN_CURRENCY, "\x02" * 100_000)
    key = b"transactions-2147483647-9223372036854775807"

    size = check_record(DEAD_LETTERS, key, msgspec.json.encode(letter))

    assert 0.99 * LARGEST[DEAD_LETTERS] < size <= LARGEST[DEAD_LETTERS]


def test_a_topic_that_is_missing_is_no_matter_of_how_it_is_kept() -> None:
    assert misconfigured({}) == []
