"""`fraud replay --verify` over a road that was travelled: as it is, tampered with, and for a range older than its log."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kafka import TopicPartition

from fraud.decision import micros, moment
from storage.archive import DECISIONS
from storage.logs.log import TRANSACTIONS
from tests.road.kafka_road import KafkaRoad
from tests.road.tampering import damage, tamper, unnamed

Say = Callable[[str], None]
SECONDS = 900.0
"""For one verification, on however busy a machine."""


def is_equal(road: KafkaRoad, say: Say) -> bool:
    """Print what it says of store and archive; whether all is equal, and the archive holds anything."""
    code, said = _asked(road, say)
    mistakes = [] if code == 0 else [f"it ended with {code}, not with 0"]
    if "archived decisions: 0 equal" in said:
        mistakes.append("the archive holds no decisions")
    return _is_right(mistakes, say)


def names_what_was_tampered_with(road: KafkaRoad, say: Say) -> bool:
    """Print what it says once somebody was at store and archive; whether it names each, and nothing else."""
    tampered = tamper(road.settings.store.get_secret_value())
    damaged = damage(Path(road.settings.data_dir) / DECISIONS)
    say("one flag was deleted, one altered, one added by hand, and one file of the archive damaged")
    code, said = _asked(road, say)
    mistakes = [*unnamed(said, tampered, damaged), *([] if code == 1 else [f"it ended with {code}, not with 1"])]
    return _is_right(mistakes, say)


def tells_what_has_expired(road: KafkaRoad, say: Say) -> bool:
    """Print what it says of the first half of the log once Kafka has lost that; whether it calls all of it not verifiable."""
    middle = _middle(road)
    cuts = expire(road, middle)
    say(f"Kafka has deleted {sum(cuts.values()):,} payments, received before {middle:%H:%M:%S} UTC")
    code, said = _asked(road, say, "--until", middle.isoformat(timespec="milliseconds"))
    mistakes = [] if code == 2 else [f"it ended with {code}, not with 2"]
    if not any(cuts.values()):
        mistakes.append("nothing was deleted: take more DAYS")
    for partition, cut in cuts.items():
        line = f"not verifiable: partition {partition}, offsets 0 to {cut - 1:,}: the log begins at offset {cut:,}"
        if cut and line not in said:
            mistakes.append(f"it does not say: {line}")
    return _is_right(mistakes, say)


def expire(road: KafkaRoad, before: datetime) -> dict[int, int]:
    """Delete from Kafka what was received before a moment; where each partition begins then."""
    partitions = range(road.log.partitions(TRANSACTIONS))
    cuts = {partition: road.log.offset_at(TRANSACTIONS, partition, micros(before)) for partition in partitions}
    road.admin.delete_records({TopicPartition(TRANSACTIONS, partition): cut for partition, cut in cuts.items()})
    return cuts


def _middle(road: KafkaRoad) -> datetime:
    """When the payment in the middle of the first partition that has any was received."""
    for partition in range(road.log.partitions(TRANSACTIONS)):
        first, end = road.log.bounds(TRANSACTIONS, partition)
        if first < end:
            [record] = road.log.read(TRANSACTIONS, partition, (first + end) // 2, (first + end) // 2 + 1)
            return moment(record.received_at)
    raise RuntimeError(f"{TRANSACTIONS} holds nothing: take more DAYS")


def _asked(road: KafkaRoad, say: Say, *bounds: str) -> tuple[int, str]:
    """Exit code and output, both printed."""
    say(" ".join(["$ fraud replay --verify", *bounds]))
    code, said = road.commands.ask("replay", "--verify", *bounds, seconds=SECONDS)
    say(f"{said.rstrip()}\nexit code {code}")
    return code, said


def _is_right(mistakes: list[str], say: Say) -> bool:
    for mistake in mistakes:
        say(f"WRONG: {mistake}")
    return not mistakes
