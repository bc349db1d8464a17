"""A foreign file as a stream of payments in order of time: surveyed first, then translated table by table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from fraud.columns import Ints
from fraud.errors import MappingError
from storage.foreign_binding import bind
from storage.foreign_files import ForeignFile
from storage.foreign_payments import Translated, Translator
from storage.foreign_times import Moments, moments_of
from storage.mapping import read_mapping

_SORTED_HERE = 2_000_000
"""Rows that are put in order in memory; a longer file must come in order."""
_ROWS_PER_TABLE = 65_536
_MICROSECOND = timedelta(microseconds=1)
_NO_TIME = np.iinfo(np.int64).min


@dataclass(slots=True, kw_only=True)
class Survey:
    """What one look through the event times says of a file, as far as the limit. Times are microseconds since the epoch."""

    limit: int | None
    """Microseconds from the first payment on; None takes all."""
    first: int | None = None
    last: int = 0
    """Event time of the last payment within the limit."""
    newest: int = _NO_TIME
    cut: int | None = None
    """Row of the first payment beyond the limit."""
    total: int = 0
    """All rows looked at."""
    disorder_at: int | None = None
    """Row of the first payment that is earlier than one before it; rows without a time do not disturb the order."""

    @property
    def rows(self) -> int:
        """How many rows to take, from the front of the file in order of time."""
        return self.total if self.cut is None else self.cut

    def add(self, moments: Moments) -> None:
        """Go on with the next rows."""
        rows = np.flatnonzero(moments.present)
        if len(rows):
            self._follow(rows, moments.micros[rows])
        self.total += len(moments.micros)

    def _follow(self, rows: Ints, times: Ints) -> None:
        self.first = int(times[0]) if self.first is None else self.first
        highest = np.maximum.accumulate(np.maximum(times, self.newest))
        late = np.flatnonzero(times < highest)
        if len(late) and self.disorder_at is None:
            self.disorder_at = self.total + int(rows[late[0]])
        self.newest = int(highest[-1])
        beyond = np.flatnonzero(times >= self.first + self.limit) if self.limit is not None else rows[:0]
        taken = times[: beyond[0]] if len(beyond) else times
        if self.cut is None and len(taken):
            self.last = int(taken[-1])
        if self.cut is None and len(beyond):
            self.cut = self.total + int(rows[beyond[0]])


class ForeignPayments:
    """Payments of a foreign file through its mapping, in order of time, without holding the file in memory."""

    def __init__(self, path: Path, mapping: Path, *, key: bytes | None = None, limit: timedelta | None = None) -> None:
        """Check mapping and file and look through the event times; `limit` takes so much from the first payment on.

        Raises MappingError for whatever does not fit, and for a long file that is not in order of time.
        """
        self._file = ForeignFile(path)
        self._binding = bind(self._file, read_mapping(mapping), key)
        self._translator = Translator(self._binding)
        self._limit = None if limit is None else limit // _MICROSECOND
        self._sorted: tuple[pa.Table, Ints] | None = None
        self.survey = self._survey()

    @property
    def not_carried(self) -> str | None:
        """One line on what transactions have no field for; None when they carry all that the mapping names."""
        return self._binding.file.mapping.not_carried()

    def notes(self) -> list[str]:
        """What could not be taken over so far, one line each."""
        return self._translator.counts.lines()

    def translated(self, shift: int = 0) -> Iterator[Translated]:
        """The payments, moved `shift` microseconds in time."""
        left = self.survey.rows
        for table, rows in self._tables():
            yield self._translator.translate(table.slice(0, left), rows[:left], shift)
            left -= len(table)
            if left <= 0:
                break

    def _tables(self) -> Iterator[tuple[pa.Table, Ints]]:
        if self._sorted is not None:
            table, order = self._sorted
            for start in range(0, len(order), _ROWS_PER_TABLE):
                rows = order[start : start + _ROWS_PER_TABLE]
                yield table.take(rows), rows
            return
        start = 0
        for table in self._file.tables(self._binding.columns):
            yield table, np.arange(start, start + len(table))
            start += len(table)

    def _survey(self) -> Survey:
        column = self._binding.sources["event_time"]
        survey = Survey(limit=self._limit)
        for table in self._file.tables([column]):
            survey.add(self._moments(table))
        if survey.first is None:
            raise self._binding.file.error(("columns", "event_time"), f"no time in {self._file.path} can be read")
        if survey.disorder_at is None:
            return survey
        if survey.total > _SORTED_HERE:
            raise MappingError(_how_to_sort(self._file.path, column, survey.disorder_at))
        return self._sort()

    def _sort(self) -> Survey:
        table = pa.concat_tables(self._file.tables(self._binding.columns))
        moments = self._moments(table)
        times = np.where(moments.present, moments.micros, _NO_TIME)
        order = np.argsort(times, kind="stable")
        self._sorted = table, order
        survey = Survey(limit=self._limit)
        survey.add(Moments(times[order], moments.offset[order], moments.present[order]))
        return survey

    def _moments(self, table: pa.Table) -> Moments:
        try:
            return moments_of(table[self._binding.sources["event_time"]], self._binding.time)
        except ValueError as error:
            raise self._binding.file.error(("columns", "event_time"), str(error)) from error


def _how_to_sort(path: Path, column: str, row: int) -> str:
    kind = "csv" if path.suffix.lower() != ".parquet" else "parquet"
    command = f"import pandas as p; p.read_{kind}({path.name!r}).sort_values({column!r}, kind='stable').to_parquet('sorted.parquet')"
    return f'{path}: row {row} is earlier than one before it; sort the file first: python -c "{command}"'
