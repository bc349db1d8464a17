"""Payments through real Kafka, two consumers and MongoDB's wire protocol are decided as by one consumer on the log alone."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaAdminClient

from cli.connect import topics
from producer.payments import Payment
from producer.population import Population
from producer.publishing import Sender
from storage.logs.log import ALL_TOPICS, DEAD_LETTERS, FLAGS, Log
from storage.policies import read_timeline
from tests.road.again import BEFORE, decide_again, imported, payments_by_policy, records_in
from tests.road.kafka_road import KafkaRoad, kafka_road
from tests.road.results import differences
from tests.road.tampering import tamper
from tests.services.server import wait_until

RULES = """
version: 1
default_currency: EUR
rules:
  - {id: high-amount, kind: high_amount, limit: {EUR: 300, GBP: 300, SEK: 3000}, severity: medium}
  - {id: burst, kind: high_frequency, limit: 3, window: 1h, severity: high}
  - {id: declined, kind: expression, condition: declined_24h >= 2 AND is_online, severity: high}
  - {id: elsewhere, kind: expression, condition: new_country AND new_merchant, severity: low, mode: shadow}
"""
STRICTER = RULES.replace("EUR: 300", "EUR: 150")
SINCE = datetime(2024, 3, 4, tzinfo=UTC)
POPULATION = Population(seed=7, users=500, fraud_share=0.02)
BROKEN = 0.01


@pytest.fixture
def road(kafka: Any, mongo_wire: Any, tmp_path: Path) -> Iterator[KafkaRoad]:
    rules, name = tmp_path / "rules.yaml", uuid.uuid4().hex[:8]
    rules.write_text(RULES)
    forget_topics(kafka)
    place = {"bootstrap": kafka.bootstrap, "store": f"{mongo_wire.url}/road_{name}"}
    with kafka_road(tmp_path, **place, rules=rules, group=f"road-{name}", partitions=4) as opened:
        yield opened
    forget_topics(kafka)


def forget_topics(kafka: Any) -> None:
    """The product's topics have fixed names: what an earlier test left in them is not ours to decide."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        present = sorted(set(admin.list_topics()) & set(ALL_TOPICS))
        if present and kafka.pid is None:
            pytest.skip(f"{kafka.bootstrap} has topics of the product, and is not ours to clear")
        if present:
            admin.delete_topics(present)
            wait_until(lambda: not set(admin.list_topics()) & set(present), "the topics to be gone")
    finally:
        admin.close()


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


def five_parts() -> list[list[Payment]]:
    """Four days of five hundred users, in order of time."""
    drawn = list(chain.from_iterable(POPULATION.payments(SINCE, SINCE + timedelta(days=4))))
    size = -(-len(drawn) // 5)
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]


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


def send(log: Log, payments: Sequence[Payment]) -> None:
    """Payments with broken messages between them."""
    with closing(log.publisher()) as publisher:
        sender = Sender(publisher, POPULATION, malformed=BROKEN)
        for payment in payments:
            sender.payment(payment)


def change_rules(road: KafkaRoad) -> None:
    """Publish stricter rules as an analyst does."""
    stricter = road.commands.folder / "stricter.yaml"
    stricter.write_text(STRICTER)
    road.commands.run("rules", "apply", str(stricter))


def wait_for_latest_policy(log: Log) -> None:
    """Until what is sent from now on is ruled by the policy that was published last."""
    effective_from = int(read_timeline(log).effective_from[-1])
    wait_until(lambda: time.time() * 1e6 > effective_from + 100_000, "the latest policy to take effect")


def documents(log: Log, topic: str) -> list[dict[str, Any]]:
    """Everything that a topic holds."""
    found = []
    for partition in range(log.partitions(topic)):
        first, end = log.bounds(topic, partition)
        found += [msgspec.json.decode(record.value or b"") for record in log.read(topic, partition, first, end)]
    return found


def place(letter: dict[str, Any]) -> tuple[int, int]:
    """Where the message lies that a dead letter is about."""
    return letter["partition"], letter["offset"]
