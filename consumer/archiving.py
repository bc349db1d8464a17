"""The archive's sink: every decision into Parquet, in files that end where the log says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import structlog

from consumer.archive_metrics import ArchiveMetrics
from consumer.deciding import Answer, Judged
from fraud.columns import Bools
from storage.archive import DECISIONS
from storage.archive_files import ArchiveFiles
from storage.decisions import picked, rows_of
from storage.failpoints import reached
from storage.ranges import OpenRange, Range

log = structlog.get_logger()


def archive_group(group: str) -> str:
    """The group in which the archive of a group's decisions reads."""
    return f"{group}-archive"


@dataclass(slots=True, kw_only=True)
class ArchiveSink:
    """Holds the open range of each partition, and writes a file once the log shows that its range is whole.

    Nothing is committed but ends of files: what is held is decided again after a crash, from the log, into the same bytes.
    """

    files: ArchiveFiles
    first_offset: Callable[[int], int]
    """The first offset of a partition that the log still holds."""
    metrics: ArchiveMetrics
    stores_apart: bool = True
    on_close: Callable[[], None] = lambda: None
    """Lets go of what else the archive holds open."""
    _open: dict[int, OpenRange] = field(default_factory=dict)
    _whole: list[Range] = field(default_factory=list)
    """Ended and not yet written."""
    _ends: dict[int, int] = field(default_factory=dict)
    """Up to where each partition is archived."""

    def resumes_at(self, partition: int, committed: int | None) -> int | None:
        """The end of a file, or the beginning of the log; never where a checkpoint happens to stand."""
        self._open[partition] = self.files.begin(partition, committed, self.first_offset(partition))
        return self._open[partition].next_offset

    def store(self, answer: Answer) -> None:
        """Take the answer's records, unless that was done, and write the files that they end. Raises StoreError."""
        for judged in answer.judged:
            self._take(judged)
        for partition in answer.left:  # the release that goes on cannot decide what lies before
            self._whole += self._open[partition].end()
        while self._whole:
            self._write(self._whole[0])
            del self._whole[0]

    def publish(self, answer: Answer) -> Mapping[int, int]:
        """Nobody is told; the consumer sends flags and dead letters. The answer: where each partition's last file ends."""
        partitions = answer.next_offsets.keys() | answer.left
        return {partition: self._ends[partition] for partition in sorted(partitions) if partition in self._ends}

    def let_go(self, partition: int) -> None:
        """Forget the open range: whoever has the partition now reads it from the log."""
        self._open.pop(partition, None)
        self._ends.pop(partition, None)
        self._whole = [whole for whole in self._whole if whole.partition != partition]
        self.metrics.lost(DECISIONS, partition)

    def close(self) -> None:
        """The open ranges are not yet archived; the log has them."""
        self.on_close()

    def _take(self, judged: Judged) -> None:
        """Take one stretch; records that were taken already are passed over, so a repeated answer changes nothing."""
        polled, batch = judged.polled, judged.decoded.batch
        new = {
            partition: records
            for partition in np.unique(polled.partition).tolist()
            if (records := np.flatnonzero(polled.partition == partition)).size
            and polled.offset[records[-1]] >= self._open[partition].next_offset
        }
        if not new:
            return
        kept = with_a_row(judged)
        rows, partitions, offsets = rows_of(judged.decisions, kept), batch.partition[kept], batch.offset[kept]
        for partition, records in new.items():
            mine = np.flatnonzero(partitions == partition)
            self._whole += self._open[partition].take(
                polled.offset[records], polled.received_at[records], offsets[mine], picked(rows, mine)
            )

    def _write(self, whole: Range) -> None:
        if len(whole.rows):
            size = self.files.write(whole)
            reached("after_archive_file")
            self.metrics.wrote(DECISIONS, whole, size)
            log.info("archived", partition=whole.partition, offset=whole.first_offset, rows=len(whole.rows), bytes=size)
        self._ends[whole.partition] = whole.end_offset
        self.metrics.reached(DECISIONS, whole)


def with_a_row(judged: Judged) -> Bools:
    """Which payments of the stretch became no dead letter: bool, one for each payment of its batch."""
    batch = judged.decoded.batch
    dead = {(letter.partition, letter.offset) for letter in judged.dead}
    if not dead:
        return np.ones(len(batch), np.bool_)
    places = zip(batch.partition.tolist(), batch.offset.tolist(), strict=True)
    return np.fromiter((place not in dead for place in places), np.bool_, len(batch))
