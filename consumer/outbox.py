"""What leaves the consumer besides the store: flags and dead letters on their topics, acknowledged before anything is committed."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from fraud.dead_letters import DeadLetter
from fraud.decision import Flag
from storage.logs.log import DEAD_LETTERS, FLAGS, Publisher

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Outbox:
    """Publishes at least once; readers recognise repeats by flag id and by topic-partition-offset."""

    publisher: Publisher

    def publish(self, flags: Sequence[Flag], dead: Sequence[DeadLetter]) -> None:
        """Send and wait for every acknowledgement. Raises LogError when the log does not take them."""
        for flag in flags:
            self.publisher.send(FLAGS, flag.user_id.encode(), _ENCODER.encode(flag))
        for letter in dead:
            key = f"{letter.topic}-{letter.partition}-{letter.offset}"
            self.publisher.send(DEAD_LETTERS, key.encode(), _ENCODER.encode(letter))
        if flags or dead:
            self.publisher.flush()

    def close(self) -> None:
        """Let go of the publisher."""
        self.publisher.close()
