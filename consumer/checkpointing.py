"""When checkpoints are written: as soon as replaying the log since the last would take too long, and at a clean end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

import structlog

from consumer.checkpoints import Checkpoint, CheckpointFolder
from consumer.deciding import Answer, Decider
from consumer.restoring import Restored
from fraud.errors import StateError

log = structlog.get_logger()

REPLAY_RECORDS = 200_000
"""Records since the last checkpoint whose replay takes about five seconds."""
LONGEST = 15 * 60.0
"""Seconds (monotonic) after which a changed partition is due all the same."""


@dataclass(slots=True, kw_only=True)
class Checkpointing:
    """Writes one partition at a time on a thread of its own; the loop only copies the state."""

    folder: CheckpointFolder
    partitions: int
    """Partitions of the topic."""
    monotonic: Callable[[], float]
    replay_records: int = REPLAY_RECORDS
    longest: float = LONGEST
    _records: dict[int, int] = field(default_factory=dict)
    _written_at: dict[int, float] = field(default_factory=dict)
    _offsets: dict[int, int] = field(default_factory=dict)
    _queue: "SimpleQueue[Checkpoint | None]" = field(default_factory=SimpleQueue)
    _writer: threading.Thread | None = None

    def begin(self, partition: int, restored: Restored) -> None:
        """Count from here for a partition that was just taken up."""
        self._records[partition] = restored.replayed
        self._offsets[partition] = restored.next_offset
        self._written_at[partition] = self.monotonic()

    def after(self, decider: Decider, answer: Answer) -> None:
        """Called once the offsets of an answer are committed: write the partition that is most overdue, if any is."""
        for partition, offset in answer.next_offsets.items():
            self._records[partition] = self._records.get(partition, 0) + offset - self._offsets.get(partition, offset)
            self._offsets[partition] = offset
        now = self.monotonic()
        due = [
            partition
            for partition in answer.next_offsets
            if self._records[partition] >= self.replay_records
            or now - self._written_at.get(partition, now) >= self.longest
        ]
        if due and self._queue.empty():
            self._hand_over(decider, max(due, key=lambda partition: self._records[partition]))

    def write_all(self, decider: Decider) -> None:
        """At a clean end: every partition as it stands, then wait for the writer."""
        for partition in sorted(decider.states):
            if self._records.get(partition, 0):
                self._hand_over(decider, partition)
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join()
            self._writer = None

    def _hand_over(self, decider: Decider, partition: int) -> None:
        state = decider.states[partition]
        policy = decider.timeline.in_force(state.received_at)
        self._queue.put(
            Checkpoint(
                log_id=decider.log_id,
                partition=partition,
                partitions=self.partitions,
                offset=state.next_offset,
                received_at=state.received_at,
                minute=state.open_minute.copy(),
                policy=None if policy is None else policy.hash,
                remembered=decider.engine.windows(partition).remembered(),
            )
        )
        self._records[partition] = 0
        self._written_at[partition] = self.monotonic()
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="checkpoints", daemon=True)
            self._writer.start()

    def _write(self) -> None:
        while (checkpoint := self._queue.get()) is not None:
            try:
                path = self.folder.write(checkpoint)
            except StateError as error:
                log.error("checkpoint_failed", reason=str(error))
            else:
                log.info("checkpoint_written", file=path.name, users=len(checkpoint.remembered.hashes))
