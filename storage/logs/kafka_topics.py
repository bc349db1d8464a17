"""How Kafka keeps the product's topics, held against what decisions need."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from fraud.dead_letters import MAX_PAYLOAD
from fraud.window_columns import HOUR, LATENESS, REACH
from storage.logs.log import DEAD_LETTERS, FLAGS, MAX_BATCH_BYTES, POLICIES, TRANSACTIONS, Problem

NEEDED = timedelta(microseconds=LATENESS + REACH + HOUR)
"""How far back a consumer without a checkpoint reads."""
FOR_EVER = "-1"
DECIDED_BY_APPEND_TIME = (TRANSACTIONS, POLICIES)
LARGEST = {FLAGS: 900_000 + 512, DEAD_LETTERS: 6 * MAX_PAYLOAD + 3_000}
"""Bytes of the largest record that a consumer has to send, by topic: a flag with its user's id, and a dead letter of control
characters, each of which JSON spells with six, with all that it says besides."""
AROUND_A_RECORD = 1_000
"""Bytes that Kafka adds to a record that travels alone, and some to spare."""
_MILLISECOND = timedelta(milliseconds=1)

Configs = Mapping[str, Mapping[str, str]]
"""Settings in force, as Kafka spells them, by topic."""


def misconfigured(configs: Configs) -> list[Problem]:
    """What is wrong with topics that are there, those first that no consumer may start on."""
    return [*_clocks(configs), *_room(configs), *_memory(configs)]


def _clocks(configs: Configs) -> Iterator[Problem]:
    for topic in DECIDED_BY_APPEND_TIME:
        if configs.get(topic, {}).get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
            says = (
                f"topic `{topic}` is not kept by LogAppendTime: decisions would depend on senders' clocks; "
                "set message.timestamp.type=LogAppendTime"
            )
            yield Problem(says=says, forbids_start=True)


def _room(configs: Configs) -> Iterator[Problem]:
    """A flag or dead letter that its topic refuses can be neither told nor passed over: its partition would stand still."""
    for topic, largest in LARGEST.items():
        room = int(configs.get(topic, {}).get("max.message.bytes", MAX_BATCH_BYTES))
        if room < largest + AROUND_A_RECORD:
            says = (
                f"topic `{topic}` takes no record over {room} bytes, and a consumer may have a larger one to send: "
                f"set max.message.bytes={MAX_BATCH_BYTES} on it"
            )
            yield Problem(says=says, forbids_start=True)


def _memory(configs: Configs) -> Iterator[Problem]:
    payments, policies = configs.get(TRANSACTIONS, {}), configs.get(POLICIES, {})
    yield from _compaction(TRANSACTIONS, payments)
    yield from _compaction(POLICIES, policies)
    if (kept := payments.get("retention.ms", FOR_EVER)) != FOR_EVER and int(kept) < NEEDED // _MILLISECOND:
        yield Problem(
            says=f"topic `{TRANSACTIONS}` forgets after {_in_words(int(kept))}: set retention.ms to {NEEDED // _MILLISECOND} "
            "(37 days and an hour) or more, or a consumer without a checkpoint starts degraded"
        )
    if (size := payments.get("retention.bytes", FOR_EVER)) != FOR_EVER:
        yield Problem(
            says=f"topic `{TRANSACTIONS}` forgets beyond {size} bytes a partition, however young: set retention.bytes=-1, "
            "or a consumer without a checkpoint may start degraded"
        )
    if any(policies.get(name, FOR_EVER) != FOR_EVER for name in ("retention.ms", "retention.bytes")):
        yield Problem(
            says=f"topic `{POLICIES}` forgets: set retention.ms=-1 and retention.bytes=-1, or old payments cannot be decided again"
        )


def _compaction(topic: str, config: Mapping[str, str]) -> Iterator[Problem]:
    if "compact" in config.get("cleanup.policy", "delete"):
        yield Problem(
            says=f"topic `{topic}` is compacted, so records vanish from its middle: set cleanup.policy=delete"
        )


def _in_words(milliseconds: int) -> str:
    days, rest = divmod(milliseconds * _MILLISECOND, timedelta(days=1))
    return f"{days} days" if days else str(rest)
