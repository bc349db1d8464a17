"""Topic `labels` into Parquet, between two polls of the archive: a reader in a group of its own, with the same rule for files."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np
import structlog

from consumer.archive_metrics import ArchiveMetrics
from consumer.policies import PolicyReader
from consumer.sink import TRY_SECONDS
from consumer.status import Status
from fraud.batch import Polled
from fraud.dead_letters import DeadLetter
from fraud.errors import LogAwayError, StoreError
from fraud.label_decoding import DecodedLabels, decode_labels
from storage.archive_files import ArchiveFiles
from storage.archived_labels import rows_of
from storage.decisions import picked
from storage.logs.log import DEAD_LETTERS, LABELS, GroupReader, Log, Publisher
from storage.ranges import OpenRange, Range

log = structlog.get_logger()

EVERY: Final = 1.0
"""Seconds (monotonic) between two looks at the topic."""
WAIT_MS: Final = 50
"""Of one look: a client that is given no time never joins its group."""
AT_ONCE: Final = 5_000
"""Labels of one look."""


@dataclass(slots=True, kw_only=True)
class LabelChore:
    """Write files that end where the log says, then commit their ends: a crash repeats work into the same bytes.

    A label that cannot be read becomes a dead letter, at least once, recognisable by topic-partition-offset. No end is committed
    before the letters of what lies before it are acknowledged.
    """

    source: Log
    reader: GroupReader
    publisher: Publisher
    policies: PolicyReader
    files: ArchiveFiles
    metrics: ArchiveMetrics
    monotonic: Callable[[], float]
    _at: float = field(default=-1e9)
    _clock: dict[int, int] = field(default_factory=dict)
    """Running maximum of append times by partition, microseconds."""
    _open: dict[int, OpenRange] = field(default_factory=dict)
    _whole: list[Range] = field(default_factory=list)
    """Ended and not yet written."""
    _moved: set[int] = field(default_factory=set)
    """Partitions that came, or of which everything held was let go: to be taken up."""
    _unsent: deque[DeadLetter] = field(default_factory=deque)
    """Letters of what is held that the publisher does not have yet."""
    _awaits: bool = False
    """Whether letters were sent that may not be acknowledged."""

    def due(self, _status: Status) -> None:
        """Look at the topic, write what is whole. While log or folder are away, what is held is kept, and nothing more is read."""
        if self.monotonic() - self._at < EVERY:
            return
        self._at = self.monotonic()
        try:
            self._look()
        except (LogAwayError, StoreError) as error:
            self.reader.pause()
            log.warning("labels_not_archived", reason=str(error))

    def close(self) -> None:
        """Leave the group; the open ranges are not yet archived, and letters may not be acknowledged: the log has them."""
        try:
            self.publisher.let_go()
        finally:
            self.reader.close()

    def _look(self) -> None:
        polled = self.reader.poll(WAIT_MS, AT_ONCE)
        if len(polled) == AT_ONCE:
            self._at = self.monotonic() - EVERY
        try:
            self._take(self._mine(polled, self._follow()))
        except (LogAwayError, StoreError):
            self._begin_again()
            raise
        self._bury()
        self._write()
        self.reader.resume()

    def _begin_again(self) -> None:
        """What was polled is not taken: let go of everything; each partition is taken up when the log answers again."""
        self._moved |= self._open.keys()
        self._open, self._whole = {}, []
        self._unsent.clear()

    def _follow(self) -> list[int]:
        """Let go of partitions that left, take up those that came; the partitions that were here before."""
        changes = self.reader.assignment()
        for partition in changes.lost:
            self._moved.discard(partition)
            self._open.pop(partition, None)
            self._whole = [whole for whole in self._whole if whole.partition != partition]
            self._unsent = deque(letter for letter in self._unsent if letter.partition != partition)
            self.metrics.lost(LABELS, partition)
        settled = list(self._open)  # what came before a partition moved is delivered again
        self._moved |= set(changes.gained)
        for partition in sorted(self._moved):
            self._take_up(partition)
            self._moved.discard(partition)
        return settled

    def _take_up(self, partition: int) -> None:
        first, _ = self.source.bounds(LABELS, partition)
        begun = self.files.begin(partition, self.reader.committed(partition), first)
        self._clock[partition] = self._clock_before(partition, begun.next_offset, first)
        self.reader.seek(partition, begun.next_offset)
        self._open[partition] = begun

    def _clock_before(self, partition: int, offset: int, first: int) -> int:
        """The running maximum as it stood before an offset: the last file's, and what the log holds between."""
        last = self.files.last(partition, before=offset)
        clock, since = (0, first) if last is None else (last.received_at, max(first, last.end_offset))
        between = self.source.read(LABELS, partition, since, offset) if since < offset else ()
        return max([clock, *(record.received_at for record in between)])

    def _mine(self, polled: Polled, settled: list[int]) -> Polled:
        """Records of partitions that are here, by the partition's own clock."""
        kept = np.flatnonzero(np.isin(polled.partition, np.array(settled, np.int64)))
        received_at = polled.received_at[kept]
        partitions = polled.partition[kept]
        for partition in np.unique(partitions).tolist():
            rows = np.flatnonzero(partitions == partition)
            received_at[rows] = np.maximum.accumulate(np.maximum(received_at[rows], self._clock[partition]))
            self._clock[partition] = int(received_at[rows[-1]])
        return replace(
            polled,
            partition=partitions,
            offset=polled.offset[kept],
            received_at=received_at,
            values=[polled.values[row] for row in kept.tolist()],
        )

    def _take(self, polled: Polled) -> None:
        if not len(polled):
            return
        decoded = self._decoded(polled)
        self._unsent += decoded.dead
        rows = rows_of(polled, decoded.rows, decoded.labels)
        partitions, offsets = polled.partition[decoded.rows], polled.offset[decoded.rows]
        for partition in np.unique(polled.partition).tolist():
            records, mine = np.flatnonzero(polled.partition == partition), np.flatnonzero(partitions == partition)
            self._whole += self._open[partition].take(
                polled.offset[records], polled.received_at[records], offsets[mine], picked(rows, mine)
            )

    def _decoded(self, polled: Polled) -> DecodedLabels:
        """Digit runs are exempt as the policy of the record's append time says."""
        self.policies.look(int(polled.received_at.max()))
        timeline = self.policies.timeline
        exempt = [
            frozenset[str]() if index < 0 else timeline.policies[index].rules.exempt
            for index in timeline.at(polled.received_at).tolist()
        ]
        return decode_labels(polled, LABELS, exempt)

    def _bury(self) -> None:
        """Send each letter once, and wait for them. Asked again after an outage, it waits on for what was sent."""
        while self._unsent:
            letter = self._unsent[0]
            self.publisher.send(DEAD_LETTERS, _key(letter), _ENCODER.encode(letter))
            self._awaits = True
            del self._unsent[0]
            self.metrics.buried(letter.reason.value)
            log.warning(
                "label_unreadable", partition=letter.partition, offset=letter.offset, reason=letter.reason.value
            )
        if self._awaits:
            self.publisher.flush(TRY_SECONDS)
            self._awaits = False

    def _write(self) -> None:
        """Write and commit what is whole. Asked again, it goes on with the range that failed, into the same bytes."""
        while self._whole:
            whole = self._whole[0]
            if len(whole.rows):
                size = self.files.write(whole)
                self.metrics.wrote(LABELS, whole, size)
            self.reader.commit({whole.partition: whole.end_offset})
            self.metrics.reached(LABELS, whole)
            del self._whole[0]


def _key(letter: DeadLetter) -> bytes:
    return f"{letter.topic}-{letter.partition}-{letter.offset}".encode()


_ENCODER: Final = msgspec.json.Encoder()
