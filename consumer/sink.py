"""Where decisions go: the protocol that the loop drives, and the sink of the consumer, which keeps flags and tells of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from consumer.deciding import Answer
from storage.flags.flag_store import FlagStore
from storage.logs.log import DEAD_LETTERS, FLAGS, Publisher

TRY_SECONDS = 5.0
"""Of one try. Then the loop says that it waits, and waits on for what was sent."""
_ENCODER = msgspec.json.Encoder()


class Sink(Protocol):
    """What becomes of every poll, in two steps. Both may be repeated with the same answer."""

    stores_apart: bool
    """Whether it stores elsewhere than heartbeats go: then they can say that it waits."""

    def resumes_at(self, partition: int, committed: int | None) -> int | None:
        """Where a partition that came goes on, given what the group committed; None: where its checkpoint stands.

        Raises StoreError where nobody can say it now: the loop pauses and asks again.
        """
        ...

    def store(self, answer: Answer) -> None:
        """Make durable what the answer holds. Raises StoreError when that did not work: the loop pauses and tries again."""
        ...

    def publish(self, answer: Answer) -> Mapping[int, int]:
        """Tell others and wait until it is acknowledged; the offsets, by partition, that may be committed now. Raises LogError."""
        ...

    def let_go(self, partition: int) -> None:
        """The partition went to somebody else: forget what is not durable of it."""
        ...

    def close(self) -> None:
        """Let go of everything held open, at once: what is neither durable nor acknowledged is not committed."""
        ...


@dataclass(slots=True)
class FlagSink:
    """Flags and minute counters into the store, then flags and dead letters onto their topics."""

    flags: FlagStore
    publisher: Publisher
    stores_apart: bool = False
    _sent: Answer | None = None
    """What the publisher has whole, acknowledged or not."""

    def resumes_at(self, partition: int, committed: int | None) -> int | None:
        """Where the group stands."""
        return committed

    def store(self, answer: Answer) -> None:
        """Insert flags by id and replace minutes by whole values."""
        self.flags.store(answer.flags, answer.minutes)

    def publish(self, answer: Answer) -> Mapping[int, int]:
        """At least once; readers recognise repeats by flag id and by topic-partition-offset.

        Asked again with the same answer, after an outage of the log, it waits for what was sent and sends nothing twice.
        """
        if answer is not self._sent:
            self._send(answer)
            self._sent = answer
        if answer.flags or answer.dead:
            self.publisher.flush(TRY_SECONDS)
        self._sent = None
        return answer.next_offsets

    def let_go(self, partition: int) -> None:
        """Nothing is held between two polls."""

    def close(self) -> None:
        """Let go of the publisher, whatever is not acknowledged: it is not committed either. The store is its opener's."""
        self.publisher.let_go()

    def _send(self, answer: Answer) -> None:
        for encoded in answer.flags:
            self.publisher.send(FLAGS, encoded.flag.user_id.encode(), encoded.json)
        for letter in answer.dead:
            key = f"{letter.topic}-{letter.partition}-{letter.offset}"
            self.publisher.send(DEAD_LETTERS, key.encode(), _ENCODER.encode(letter))
