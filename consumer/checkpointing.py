"""When checkpoints are written: as soon as replaying the log since the last would take too long, and at a clean end.

When has no influence on what: a checkpoint's content follows from the log and its offset. So this may go by measured time.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from consumer.checkpoint_file import Checkpoint
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Answer, Decider
from consumer.rebuilding import Missing, still_missing
from consumer.restoring import CHUNK, Restored
from fraud.errors import StateError

log = structlog.get_logger()

REPLAY_SECONDS = 5.0
"""Replaying what this process has read since its checkpoints may take so long before the next is due."""
SECONDS_PER_RECORD = 25e-6
"""What replaying a record takes until this process has replayed enough to know."""
LONGEST = 15 * 60.0
"""Seconds (monotonic) after which a changed partition is due all the same."""
SHARE = 0.05
"""Part of one core that checkpoints may take; only LONGEST goes beyond it."""
RETRY = 30.0
"""Seconds (monotonic) before another one is tried after a failure; at a clean end it is tried at once."""


@dataclass(slots=True, kw_only=True)
class _Writing:
    """A checkpoint on its way into the folder; touched by its thread until that has ended."""

    checkpoint: Checkpoint
    committed: int
    """The partition's committed offset: the checkpoint may be ahead of it."""
    records: int
    """Records that it would save replaying."""
    cpu: float
    """CPU seconds that it took."""
    failed: bool = False
    ended_at: float = 0.0
    """When that was over (monotonic)."""
    thread: threading.Thread | None = None


@dataclass(slots=True, kw_only=True)
class Checkpointing:
    """Writes one partition at a time on a thread of its own; the loop only copies the state."""

    folder: CheckpointFolder
    partitions: int
    """Partitions of the topic."""
    monotonic: Callable[[], float]
    cpu: Callable[[], float] = time.thread_time
    """CPU seconds of the calling thread."""
    replay_seconds: float = REPLAY_SECONDS
    longest: float = LONGEST
    _seconds_per_record: float = SECONDS_PER_RECORD
    _records: dict[int, int] = field(default_factory=dict)
    _written_at: dict[int, float] = field(default_factory=dict)
    _offsets: dict[int, int] = field(default_factory=dict)
    _committed: dict[int, int] = field(default_factory=dict)
    _missing: dict[int, Missing | None] = field(default_factory=dict)
    """What the memory of a partition lacks."""
    _writing: _Writing | None = None
    _rests_until: float = float("-inf")

    def begin(self, partition: int, restored: Restored) -> None:
        """Count from here for a partition that was just taken up."""
        self._records[partition] = restored.replayed
        self._offsets[partition] = self._committed[partition] = restored.next_offset
        self._missing[partition] = restored.degraded
        self._written_at[partition] = self.monotonic()
        if restored.replayed >= CHUNK:
            self._seconds_per_record = restored.seconds / restored.replayed

    def after(self, decider: Decider, answer: Answer, committed: Mapping[int, int]) -> None:
        """Called once offsets are committed: write the partition that is most overdue, if any is."""
        self._committed |= committed
        for partition, offset in answer.next_offsets.items():
            self._records[partition] = self._records.get(partition, 0) + offset - self._offsets.get(partition, offset)
            self._offsets[partition] = offset
        if self._writing is not None and self._writing.thread is not None and self._writing.thread.is_alive():
            return
        self._settle()
        due = self._due({partition: self._records.get(partition, 0) for partition in decider.states})
        if due is not None:
            self._writing = self._copied(decider, due)
            self._writing.thread = threading.Thread(
                target=self._write, args=(self._writing,), name="checkpoint", daemon=True
            )
            self._writing.thread.start()

    def write_all(self, decider: Decider) -> None:
        """At a clean end: wait for the writer, then every partition as it stands; one copy at a time."""
        self._settle()
        for partition in sorted(decider.states):
            if self._records.get(partition, 0):
                self._writing = self._copied(decider, partition)
                self._write(self._writing)
                self._settle()

    def _due(self, records: dict[int, int]) -> int | None:
        """Of the partitions that are here and changed: one that waited too long, or the longest to replay once all are too long."""
        now = self.monotonic()
        waited = {partition: now - self._written_at.get(partition, now) for partition in records if records[partition]}
        if not waited:
            return None
        oldest = max(waited, key=waited.__getitem__)
        if waited[oldest] >= self.longest:
            return oldest
        if now < self._rests_until or sum(records.values()) * self._seconds_per_record < self.replay_seconds:
            return None
        return max(records, key=records.__getitem__)

    def _copied(self, decider: Decider, partition: int) -> _Writing:
        """The state as it stands: all that the loop waits for."""
        started = self.cpu()
        state = decider.states[partition]
        policy = decider.timeline.in_force(state.received_at)
        remembered = decider.engine.windows(partition).remembered()
        checkpoint = Checkpoint(
            log_id=decider.log_id,
            partition=partition,
            partitions=self.partitions,
            offset=state.next_offset,
            received_at=state.received_at,
            minute=state.open_minute.copy(),
            policy=None if policy is None else policy.hash,
            remembered=remembered,
            missing=still_missing(self._missing.get(partition), remembered.newest),
        )
        records, self._records[partition] = self._records[partition], 0
        self._written_at[partition] = self.monotonic()
        committed = self._committed.get(partition, state.next_offset)
        return _Writing(checkpoint=checkpoint, committed=committed, records=records, cpu=self.cpu() - started)

    def _write(self, writing: _Writing) -> None:
        started = self.cpu()
        try:
            path = self.folder.write(writing.checkpoint, writing.committed)
        except StateError as error:
            writing.failed = True
            log.error("checkpoint_failed", reason=str(error))
        except Exception as error:  # noqa: BLE001 - deciding goes on, whatever becomes of a checkpoint
            writing.failed = True
            log.error("checkpoint_failed", reason=f"{type(error).__name__}: {error}")
        else:
            log.info("checkpoint_written", file=path.name, users=len(writing.checkpoint.remembered.hashes))
        writing.cpu += self.cpu() - started
        writing.ended_at = self.monotonic()

    def _settle(self) -> None:
        """Take note of how the last one went, once its thread has ended."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        if writing.thread is not None:
            writing.thread.join()
        if writing.failed:
            partition = writing.checkpoint.partition
            self._records[partition] = self._records.get(partition, 0) + writing.records
        self._rests_until = writing.ended_at + max(writing.cpu / SHARE, RETRY if writing.failed else 0.0)
