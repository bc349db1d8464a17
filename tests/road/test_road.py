"""Payments through real Kafka, two consumers and MongoDB's wire protocol are decided as by one consumer on the log alone."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.connect import topics
from producer.payments import Payment
from storage.logs.log import DEAD_LETTERS, FLAGS
from tests.road.again import BEFORE, decide_again, imported, payments_by_policy, records_in
from tests.road.kafka_road import KafkaRoad
from tests.road.results import differences
from tests.road.tampering import tamper
from tests.road.traffic import RULES, documents, five_parts, send, wait_for_latest_policy

STRICTER = RULES.replace("EUR: 300", "EUR: 150")


@pytest.mark.timeout(300)
def test_every_message_is_accounted_for_and_every_flag_is_that_of_one_consumer_alone(road: KafkaRoad, tmp_path: Path):
    travel(road, five_parts())

    again, found = tmp_path / "again", road.results()
    with closing(imported(road.log, again)) as copy:
        payments, messages = payments_by_policy(copy), records_in(copy)
    for comparison in differences(decide_again(again, road.settings.group), found):
        assert comparison.is_equal, "\n".join(comparison.lines())
    assert found.accounted == messages > 3_000
    assert found.total("before_policy") > 300
    assert found.total("duplicates") > 100
    assert found.total("flagged") == len(found.flags)
    assert len(payments) == 3
    assert set(found.flags_by_policy) == set(payments) - {BEFORE}
    assert {flag["id"] for flag in documents(road.log, FLAGS)} == set(found.flags)
    assert len({place(letter) for letter in documents(road.log, DEAD_LETTERS)}) == found.dead.total() > 10
    verified_and_tampered_with(road, len(found.flags), len(found.minutes))


def verified_and_tampered_with(road: KafkaRoad, flags: int, minutes: int) -> None:
    """The command says what two runs held against each other say, and names what somebody did to the store."""
    code, said = road.commands.ask("replay", "--verify", "--json")
    assert (code, counts(said)) == (0, {"flags": [flags, 0, 0, 0], "minute counters": [minutes, 0, 0, 0]}), said

    done = tamper(road.settings.store.get_secret_value())

    code, said = road.commands.ask("replay", "--verify", "--json", "--no-archive")
    assert (code, counts(said)["flags"]) == (1, [flags - 2, 1, 1, 1]), said
    [examples, _minutes] = [one["examples"] for one in msgspec.json.decode(said)["comparisons"]]
    named = {kind: lines[0].split(" ")[0] for kind, lines in examples.items()}
    assert named == {"missing": done.deleted, "extra": done.added, "different": done.altered}


def counts(said: str) -> dict[str, list[int]]:
    """Of what was compared at all: equal, missing, extra, different."""
    comparisons = msgspec.json.decode(said)["comparisons"]
    found = {one["what"]: [one[kind] for kind in ("equal", "missing", "extra", "different")] for one in comparisons}
    return {what: numbers for what, numbers in found.items() if any(numbers)}


def travel(road: KafkaRoad, parts: Sequence[Sequence[Payment]]) -> None:
    """Payments before the first policy, under it, while a consumer leaves, while one works alone, and under stricter rules."""
    road.log.create(topics(road.settings))
    send(road.log, parts[0])
    road.commands.run("init")
    road.start_consumer("one")
    road.start_consumer("two")
    road.wait_for_group()
    wait_for_latest_policy(road.log)
    send(road.log, parts[1])
    road.wait_until_decided()
    change_rules(road)
    send(road.log, parts[2])
    assert road.stop_consumer("one") == 0
    send(road.log, parts[3])
    road.wait_until_decided()
    road.start_consumer("one")
    road.wait_for_group()
    wait_for_latest_policy(road.log)
    send(road.log, [*parts[1][:200], *parts[4]])
    road.wait_until_decided()


def change_rules(road: KafkaRoad) -> None:
    """Publish stricter rules as an analyst does."""
    stricter = road.commands.folder / "stricter.yaml"
    stricter.write_text(STRICTER)
    road.commands.run("rules", "apply", str(stricter))


def place(letter: dict[str, Any]) -> tuple[int, int]:
    """Where the message lies that a dead letter is about."""
    return letter["partition"], letter["offset"]
