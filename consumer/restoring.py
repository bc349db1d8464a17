"""Bringing a partition's state back: the newest valid checkpoint, then the log up to the committed offset, silently.

The last minute before the committed offset is decided again (and stored nowhere), so that its counters go on from whole values.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from consumer.checkpoint_file import Checkpoint
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Decider
from consumer.minutes import MINUTE, OpenMinute
from consumer.partition_state import PartitionState
from consumer.rebuilding import Missing, Rebuilder, still_missing
from fraud.batch import Polled
from fraud.currencies import NO_CURRENCY
from fraud.decision import micros
from fraud.decoding import Intake, decode
from fraud.errors import ArchiveError, StateError
from fraud.window_columns import HOUR, LATENESS, REACH
from storage.failpoints import reached
from storage.logs.log import TRANSACTIONS, Log, Record

log = structlog.get_logger()

CHUNK = 20_000
"""Records decided between two signs of life, at most."""
CHUNK_BYTES = 32 * 1024 * 1024
"""And bytes, since a record may have a megabyte: a chunk ends with the record that fills it."""
NEAR = 100
"""Offsets looked at together on the way back to a record, at first."""
FAR = 5_000
"""And at most: every look doubles them, for a log may end in a million dead letters."""
LOOK_BACK = LATENESS + REACH + HOUR
"""Microseconds before the last payment: as far as the windows of a payment that comes as late as it may, and an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How a partition's state came back."""

    next_offset: int
    """Where live reading begins."""
    from_checkpoint: int | None
    replayed: int
    degraded: Missing | None
    """What is missing, when neither log nor archive reaches back far enough."""
    from_archive: int = 0
    """Payments that came from the archive."""
    seconds: float = 0.0
    """How long the replay took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restorer:
    """Restores partitions into a decider."""

    source: Log
    checkpoints: CheckpointFolder
    decider: Decider
    rebuilder: Rebuilder
    alive: Callable[[], None]
    """Called between chunks: keeps the group membership while nothing is delivered."""
    monotonic: Callable[[], float] = time.monotonic

    def restore(self, partition: int, committed: int | None) -> Restored:
        """Build the state before `committed` (None: nothing was).

        Raises StateError for state of another topic, and when the log no longer holds what comes next.
        """
        self.decider.engine.forget(partition)
        self.decider.states.pop(partition, None)
        first, end = self.source.bounds(TRANSACTIONS, partition)
        checkpoint, skipped = self.checkpoints.newest(
            self.decider.log_id,
            partition,
            self.source.partitions(TRANSACTIONS),
            at_most=end if committed is None else committed,
        )
        for line in skipped:
            log.warning("checkpoint_skipped", reason=line)
        if committed is None and checkpoint is not None:
            committed = checkpoint.offset
        if committed is not None:
            _refuse_lost(partition, committed, first, end)
        if checkpoint is not None and checkpoint.offset < first:
            log.warning(
                "checkpoint_skipped",
                reason=f"offset {checkpoint.offset} of partition {partition}: the log begins at {first}",
            )
        elif checkpoint is not None and committed is not None:
            return self._from_checkpoint(checkpoint, committed)
        if committed is None:
            self.decider.states[partition] = PartitionState(first)
            return Restored(next_offset=first, from_checkpoint=None, replayed=0, degraded=None)
        return self._from_the_log(partition, committed, first)

    def _from_checkpoint(self, checkpoint: Checkpoint, committed: int) -> Restored:
        partition = checkpoint.partition
        state = PartitionState(checkpoint.offset, checkpoint.received_at, OpenMinute(checkpoint.minute))
        self.decider.states[partition] = state
        self.decider.engine.windows(partition).restore(checkpoint.remembered)
        reached("during_restore")
        replayed, seconds = self._replay(partition, checkpoint.offset, committed)
        return Restored(
            next_offset=committed,
            from_checkpoint=checkpoint.offset,
            replayed=replayed,
            degraded=still_missing(checkpoint.missing, self.decider.engine.windows(partition).newest),
            seconds=seconds,
        )

    def _from_the_log(self, partition: int, committed: int, first: int) -> Restored:
        """Read back as far as any window of the next payment can reach."""
        last = self._last_event_time(partition, committed, first)
        if last is None and first:
            last = self.rebuilder.last_event_time(partition, first)
        reach = None if last is None else last - LOOK_BACK
        start = first if reach is None else max(first, self.source.offset_at(TRANSACTIONS, partition, reach))
        self.decider.states[partition] = PartitionState(start)
        archived, missing = (
            (0, None) if start > first or not first else self._from_the_archive(partition, reach or 0, first)
        )
        replayed, seconds = self._replay(partition, start, committed)
        return Restored(
            next_offset=committed,
            from_checkpoint=None,
            replayed=replayed,
            degraded=missing,
            from_archive=archived,
            seconds=seconds,
        )

    def _from_the_archive(self, partition: int, reach: int, first: int) -> tuple[int, Missing | None]:
        """Payments that the log no longer has, up to its first offset: how many came, and what is missing before them."""
        source = self.rebuilder.source(self.decider.log_id, partition, reach, first)
        archived, missing = 0, source.missing
        for file in source.files:
            try:
                payments, clock = self.rebuilder.remember(self.decider, file, first)
            except ArchiveError as error:  # what came before it is of use only with it
                self.decider.engine.forget(partition)
                start = source.files[0].first_offset
                archived, missing = 0, Missing(start=start, end=file.end_offset, reason=str(error))
            else:
                archived += payments
                self.decider.states[partition].received_at = clock
            reached("during_restore")
            self.alive()
        return archived, None if missing is None else replace(missing, until=self._whole_from(partition, first))

    def _whole_from(self, partition: int, first: int) -> int | None:
        """The newest event time from which on no window reaches to before the log's beginning."""
        record = next(self.source.read(TRANSACTIONS, partition, first), None)
        return None if record is None else record.received_at + LOOK_BACK

    def _last_event_time(self, partition: int, committed: int, first: int) -> int | None:
        """Event time of the last payment before the committed offset, microseconds."""
        for start, end in _backwards(first, committed):
            last: int | None = None
            for chunk in chunks(self.source.read(TRANSACTIONS, partition, start, end)):
                batch = decode(polled_of(chunk), Intake(topic=TRANSACTIONS, default_currency=NO_CURRENCY)).batch
                if len(batch):
                    last = micros(batch.rows.transaction(len(batch) - 1).event_time)
                self.alive()
            if last is not None:
                return last
        return None

    def _last_record(self, partition: int, start: int, end: int) -> Record | None:
        """The last record in a range of offsets, some of which hold none."""
        for begin, behind in _backwards(start, end):
            if last := deque(self.source.read(TRANSACTIONS, partition, begin, behind), maxlen=1):
                return last[0]
        return None

    def _replay(self, partition: int, start: int, end: int) -> tuple[int, float]:
        """Decide again what was decided before, storing nothing; returns how many records, and the seconds it took."""
        if start >= end:
            return 0, 0.0
        started = self.monotonic()
        last = self._last_record(partition, start, end)
        counted_from = (
            end if last is None else self.source.offset_at(TRANSACTIONS, partition, last.received_at // MINUTE * MINUTE)
        )
        replayed = 0
        for chunk in chunks(self.source.read(TRANSACTIONS, partition, start, min(end, counted_from))):
            self.decider.remember(polled_of(chunk))
            replayed += len(chunk)
            reached("during_restore")
            self.alive()
        for chunk in chunks(self.source.read(TRANSACTIONS, partition, max(start, counted_from), end)):
            if self.decider.decide(polled_of(chunk), silent=True).other_engine is not None:
                done = self.decider.states[
                    partition
                ].next_offset  # another release decided the rest; memory needs it all the same
                self.decider.remember(polled_of([record for record in chunk if record.offset >= done]))
            replayed += len(chunk)
            reached("during_restore")
            self.alive()
        self.decider.states[partition].next_offset = end
        return replayed, self.monotonic() - started


def _backwards(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges of offsets that reach from `end` back to `first`, each twice as long as the one behind it."""
    step = NEAR
    while end > first:
        start = max(first, end - step)
        yield start, end
        end, step = start, min(2 * step, FAR)


def _refuse_lost(partition: int, committed: int, first: int, end: int) -> None:
    """Payments that nobody decided and nobody can read any more: never passed over in silence."""
    if committed < first:
        raise StateError(
            f"{TRANSACTIONS}-{partition} begins at offset {first}, the group stands at {committed}: payments expired before they "
            "were decided; choose another group, or set its offset to go on without them"
        )
    if committed > end:
        raise StateError(
            f"{TRANSACTIONS}-{partition} ends at offset {end}, the group stands at {committed}: the log was truncated or replaced; "
            "choose another group, or set its offset to go on"
        )


def polled_of(records: Sequence[Record]) -> Polled:
    """Records read by offset as a poll."""
    return Polled(
        partition=np.array([record.partition for record in records], np.int64),
        offset=np.array([record.offset for record in records], np.int64),
        received_at=np.array([record.received_at for record in records], np.int64),
        values=[record.value for record in records],
    )


def chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Portions that memory holds: of at most `CHUNK` records, and of few where they are large."""
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record.value or b"")
        if len(chunk) == CHUNK or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
