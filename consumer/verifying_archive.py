"""The archive held against the log: every row of every file in what was decided again, in all columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from consumer.archived_spans import Span, held_twice, spans
from consumer.archiving import with_a_row
from consumer.asked_ranges import Asked, Gap, Range
from consumer.comparing import Comparison
from consumer.deciding import Answer
from consumer.verification import Verification
from fraud.errors import ArchiveError
from storage.archive import Archive, ArchiveFile
from storage.decisions import SCHEMA_VERSION, rows_of
from storage.logs.log import TRANSACTIONS
from storage.row_differences import HeldRows, Row, differences, within


@dataclass(slots=True, kw_only=True)
class ArchiveCheck:
    """Takes what was decided again, one partition after the other; the rows of one file are all that it keeps."""

    archive: Archive
    log_id: str
    group: str
    committed: Mapping[int, int]
    """Where the archive's group stands, by partition."""
    comparison: Comparison = field(default_factory=lambda: Comparison(what="archived decisions"))
    _unverifiable: list[Gap] = field(default_factory=list)
    _unread: list[str] = field(default_factory=list)
    _pending: int = 0
    """Offsets that are not yet archived."""
    _partition: int = 0
    _end: int = 0
    """Of its range: the last offsets may hold no record."""
    _spans: list[Span] = field(default_factory=list)
    _gaps: list[tuple[int, int]] = field(default_factory=list)
    _rows: HeldRows = field(default_factory=HeldRows)

    def begin(self, wanted: Range) -> None:
        """The next partition."""
        self._compare(self._end)
        self._end = wanted.end
        self._partition, self._rows, self._gaps, self._spans = wanted.partition, HeldRows(), [], []
        try:
            end = self._archived_to(wanted)
            self._spans = spans(self.archive, wanted, end)
            for twice in held_twice(self.archive, wanted):
                self.comparison.count("extra", twice)
        except ArchiveError as error:
            self._unread.append(str(error))
        else:
            self._pending += wanted.end - min(max(end, wanted.start), wanted.end)

    def take(self, answer: Answer) -> None:
        """The next chunk of the partition."""
        if not self._spans:
            return
        for judged in answer.judged:
            self._rows.add(rows_of(judged.decisions, with_a_row(judged)))
        self._compare(answer.next_offsets[self._partition])

    def skip(self, gap: Gap) -> None:
        """The next chunk cannot be decided."""
        self._gaps.append((gap.start, gap.end))
        self._compare(gap.end)

    def finish(self, found: Verification, _asked: Asked) -> None:
        """Say what is not verifiable, and what is not there yet."""
        self._compare(self._end)
        found.unread += self._unread
        for gap in self._unverifiable:
            found.add_gap(gap)
        if self._pending:
            found.pending.append(
                f"not yet archived: {self._pending:,} records that group `{self.group}` has not committed"
            )

    def _archived_to(self, wanted: Range) -> int:
        """Where the archive has got to. A folder that was copied here has no group: its last file says it."""
        if wanted.partition in self.committed:
            return self.committed[wanted.partition]
        names = self.archive.names(wanted.partition)
        return self.archive.file(names[-1]).end_offset if names else wanted.start

    def _compare(self, position: int) -> None:
        """Everything before a position was decided: compare the files that end there or before, and what no file holds."""
        while self._spans and self._spans[0].start < position:
            span = self._spans[0]
            if not span.is_empty and span.end > position:
                return
            end = min(span.end, position)
            self._hold(replace(span, end=end))
            if end < span.end:
                self._spans[0] = replace(span, start=end)
                return
            del self._spans[0]

    def _hold(self, span: Span) -> None:
        expected = self._rows.between(span.start, span.end)
        if span.trouble is not None:
            self.comparison.count("different", span.trouble)
        elif span.file is not None:
            self._hold_file(span, span.file, expected)
        elif len(expected):
            place = f"{TRANSACTIONS}-{self._partition}, offsets {span.start:,} to {span.end - 1:,}"
            self.comparison.count("missing", f"{place}: no file holds their {len(expected):,} rows", len(expected))

    def _hold_file(self, span: Span, file: ArchiveFile, expected: Any) -> None:
        """`expected` are rows of `storage.decisions`."""
        if file.log_id != self.log_id:
            self.comparison.count("different", f"{file.path}: it is of log {file.log_id}")
        elif file.schema != SCHEMA_VERSION:
            reason = f"{file.path} has format {file.schema}, this release reads {SCHEMA_VERSION}"
            self._unverifiable.append(Gap(partition=self._partition, start=span.start, end=span.end, reason=reason))
        else:
            try:
                found = within(self.archive.table(file), span.start, span.end, self._gaps)
            except ArchiveError as error:
                self.comparison.count("different", str(error))
                return
            self.comparison.equal += differences(expected, found, lambda one, other: self._differs(file, one, other))

    def _differs(self, file: ArchiveFile, expected: Row | None, found: Row | None) -> None:
        row = expected or found or {}
        label = f"{TRANSACTIONS}-{file.partition}, offset {row.get('offset')} ({file.path})"
        if expected is None:
            self.comparison.count("extra", label)
        else:
            self.comparison.hold(label, expected, found)
