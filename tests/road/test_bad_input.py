"""A log that cannot be decided by is refused at the start; one that forgets is decided, loudly."""

from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from cli.connect import topics
from tests.road.kafka_road import KafkaRoad
from tests.services.server import wait_until

pytestmark = pytest.mark.timeout(300)


def alter(road: KafkaRoad, topic: str, **config: str) -> None:
    """Change how a topic is kept, as an operator may have."""
    configs = {name.replace("_", "."): value for name, value in config.items()}
    road.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])


def test_a_consumer_refuses_a_log_without_its_topics(road: KafkaRoad):
    road.log.create([topic for topic in topics(road.settings) if topic.name != "flags"])

    with pytest.raises(RuntimeError, match=r"ended with 1: .*no topic `flags`: run `fraud init`"):
        road.commands.run("consume", "--wait", "0")


@pytest.mark.parametrize("topic", ["transactions", "policies"])
def test_a_consumer_refuses_a_topic_kept_by_senders_clocks(road: KafkaRoad, topic: str):
    road.commands.run("init")
    alter(road, topic, message_timestamp_type="CreateTime")

    with pytest.raises(RuntimeError, match=rf"ended with 1: fraud: topic `{topic}` is not kept by LogAppendTime"):
        road.commands.run("consume")


def test_a_log_that_forgets_is_decided_and_said_everywhere(road: KafkaRoad):
    road.commands.run("init")
    alter(road, "transactions", retention_ms="604800000", retention_bytes="1000000000")

    road.start_consumer("one")
    wait_until(lambda: any(beat.state == "running" for beat in road.beats()), "a heartbeat", 90)

    [beat] = road.beats()
    said: list[Any] = beat.facts["warnings"]
    assert [("7 days" in line, "1000000000 bytes" in line) for line in said] == [(True, False), (False, True)]
    assert road.commands.output("one").read_text().count("log_problem") == 2
    with pytest.raises(RuntimeError, match=r"fraud doctor --json ended with 1"):
        road.commands.run("doctor", "--json")
