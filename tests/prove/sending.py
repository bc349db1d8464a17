"""The sender of a proof, as a process of its own: seeded payments at a steady rate, acknowledged by all.

`python -m tests.prove.sending OPTIONS.json REPORT.json` sends until everything is out or SIGTERM comes, waits for every acknowledgement and
writes down which offsets the log acknowledged, with the CRC-32 of what was sent there.
"""

import json
import signal
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from cli.connect import open_log
from cli.settings import Settings
from fraud.errors import LogError
from storage.logs.log import TRANSACTIONS, Publisher
from tests.prove.payments import Message, Traffic

AT_ONCE = 20
"""Messages between two looks at the clock."""


@dataclass(slots=True)
class Sender:
    """Sends, and remembers what was acknowledged."""

    publisher: Publisher
    rate: float
    stopping: Event = field(default_factory=Event)
    sent: int = 0
    acknowledged: dict[int, dict[int, int]] = field(default_factory=dict)
    """CRC-32 by partition and offset."""

    def send(self, traffic: Traffic) -> None:
        """Everything, or until told to stop."""
        started = time.monotonic()
        for message in traffic.messages():
            if self.sent % AT_ONCE == 0 and not self._is_due(started):
                return
            self._hand_over(message)

    def finish(self) -> None:
        """Wait until everything is acknowledged, however long the log is away."""
        while True:
            try:
                self.publisher.flush()
            except LogError as error:
                sys.stderr.write(f"still waiting: {error}\n")
            else:
                return

    def _is_due(self, started: float) -> bool:
        early = started + self.sent / self.rate - time.monotonic()
        self.stopping.wait(max(early, 0.0))
        return not self.stopping.is_set()

    def _hand_over(self, message: Message) -> None:
        key, value = message
        # The third argument is the append time, of which the sender makes nothing.
        on_ack: Callable[[int, int, int], None] = partial(self._acknowledge, zlib.crc32(value))
        while True:
            try:
                self.publisher.send(TRANSACTIONS, key, value, on_ack)
            except LogError as error:
                sys.stderr.write(f"trying again: {error}\n")
                if self.stopping.wait(0.5):
                    return
            else:
                self.sent += 1
                return

    def _acknowledge(self, checksum: int, partition: int, offset: int, _received_at: int) -> None:
        self.acknowledged.setdefault(partition, {})[offset] = checksum


def main(options: dict[str, Any], report: Path) -> None:
    """Send what the options say."""
    log = open_log(Settings(log=options.pop("log")))
    sender = Sender(log.publisher(), options.pop("rate"))
    signal.signal(signal.SIGTERM, lambda *_: sender.stopping.set())
    until = datetime.fromisoformat(options.pop("until"))
    sender.send(Traffic(until=until, **options))
    sender.finish()
    sender.publisher.close()
    report.write_text(json.dumps({"sent": sender.sent, "acknowledged": sender.acknowledged}))
    log.close()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
