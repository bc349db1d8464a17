"""The dead letters of the log, read from the beginning of `transactions.dlq` to its end as it is now, each once."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from fraud.dead_letters import DeadLetter, Reason
from fraud.decision import moment
from storage.logs.log import DEAD_LETTERS, Log

TOLD_EVERY = 1_000
_DECODE = msgspec.json.Decoder(DeadLetter).decode


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter with its payload as bytes."""

    dead: DeadLetter
    payload: bytes
    """The record as it was; where `dead.masked` its masked text as UTF-8, where `dead.truncated` only its beginning."""

    @property
    def place(self) -> str:
        """Where the record lies: topic-partition-offset, the letter's identity."""
        return f"{self.dead.topic}-{self.dead.partition}-{self.dead.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which letters are wanted; by default all."""

    reasons: frozenset[Reason] = frozenset(Reason)
    since: int | None = None
    """Microseconds: received then or later."""
    until: int | None = None
    """Microseconds: received before."""

    def takes(self, dead: DeadLetter) -> bool:
        """Whether this one is."""
        return (
            dead.reason in self.reasons
            and (self.since is None or dead.received_at >= self.since)
            and (self.until is None or dead.received_at < self.until)
        )


@dataclass(slots=True, kw_only=True)
class Reading:
    """What one pass over the topic met; counted while it is read."""

    records: int = 0
    repeats: int = 0
    """Letters met before under the same topic, partition and offset: the topic is at least once, the first counts."""
    unreadable: int = 0
    """Records that are no dead letter of this release; passed over."""


def count_records(source: Log) -> int:
    """How many records a pass will read, at most."""
    bounds = [source.bounds(DEAD_LETTERS, partition) for partition in range(source.partitions(DEAD_LETTERS))]
    return sum(end - first for first, end in bounds)


def read_letters(
    source: Log, reading: Reading, on_progress: Callable[[int], None] = lambda _records: None
) -> Iterator[Letter]:
    """Every letter once, in the order of the topic; `on_progress` is told how many records came. Raises LogError."""
    met: set[tuple[str, int, int]] = set()
    for partition in range(source.partitions(DEAD_LETTERS)):
        first, end = source.bounds(DEAD_LETTERS, partition)
        for record in source.read(DEAD_LETTERS, partition, first, end):
            reading.records += 1
            if reading.records % TOLD_EVERY == 0:
                on_progress(TOLD_EVERY)
            letter = _letter(record.value)
            if letter is None:
                reading.unreadable += 1
                continue
            origin = (letter.dead.topic, letter.dead.partition, letter.dead.offset)
            if origin in met:
                reading.repeats += 1
                continue
            met.add(origin)
            yield letter
    on_progress(reading.records % TOLD_EVERY)


def _letter(value: bytes | None) -> Letter | None:
    """None for what is no dead letter: anybody may write to a topic."""
    try:
        dead = _DECODE(value or b"")
        moment(dead.received_at)
        payload = dead.payload.encode() if dead.masked else base64.b64decode(dead.payload, validate=True)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None
    return Letter(dead, payload)
