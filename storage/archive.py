"""The archive as its readers see it: which range each file holds, and its rows.

A range without rows (dead letters alone) writes no file, and the newest range of each partition is open: a gap between two
files is not by itself missing. Where its writer knew that nothing lies in it, the file behind it says so (`follows`).
Beyond that only who decides the log again can tell; `uncovered` says where to look.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from fraud.errors import ArchiveError
from storage.parts import Folder
from storage.seal import check

DECISIONS: Final = "decisions"
METADATA: Final = b"fraudstream"
"""Key of a file's metadata: the range that it holds, as JSON."""
_NAME: Final = re.compile(r"part-p(?P<partition>\d{5})-(?P<offset>\d{20})\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a file's name says."""

    path: str
    """Below the data set's folder: `date=YYYY-MM-DD/part-p...`."""
    partition: int
    first_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """The range of a partition that one file holds, from its metadata."""

    path: str
    """Below the data set's folder."""
    log_id: str
    engine: int
    schema: int
    partition: int
    follows: int
    """Where the file before it ended, as far as its writer knew: nothing from there to `first_offset` has a row."""
    first_offset: int
    end_offset: int
    """After the last record of the range."""
    received_at: int
    """Running maximum of the partition's append times at the last record, dead letters included, microseconds."""
    dead: int
    """Records of the range without a row."""
    rows: int


class Archive:
    """The decisions under a data folder: `decisions/date=YYYY-MM-DD/part-*.parquet`."""

    def __init__(self, root: str | Path, data_set: str = DECISIONS) -> None:
        """`root` is a folder or a pyarrow filesystem URL; the archive may be empty."""
        self.folder = Folder.at(root) / data_set

    def names(self, partition: int) -> list[Name]:
        """Every file of a partition in order of its offsets, unread."""
        with _read(self.folder.path):
            found = (name_of(path.removeprefix(f"{self.folder.path}/")) for path in self.folder.parts())
        return sorted(
            (name for name in found if name is not None and name.partition == partition),
            key=lambda name: name.first_offset,
        )

    def files(self, partition: int, first: int = 0, end: int | None = None) -> list[ArchiveFile]:
        """The files that hold offsets in [first, end), in order. Raises ArchiveError naming a damaged one."""
        names = self.names(partition)
        starts = [name.first_offset for name in names]
        reached = [*starts[1:], None][: len(names)]  # a partition may have no file yet
        wanted = [
            name
            for name, following in zip(names, reached, strict=True)
            if (end is None or name.first_offset < end) and (following is None or following > first)
        ]
        return [file for file in map(self.file, wanted) if file.end_offset > first]

    def file(self, name: Name) -> ArchiveFile:
        """What one file says of itself. Raises ArchiveError when it is damaged."""
        return described(self.folder, name)

    def table(self, file: ArchiveFile, columns: Sequence[str] | None = None) -> pa.Table:
        """Its rows in order of their offsets. Raises ArchiveError when it is damaged.

        All columns: a single changed bit is found. Some of them: what is read of the file is checked.
        """
        path = f"{self.folder.path}/{file.path}"
        with _whole(path), self.folder.filesystem.open_input_file(path) as source:
            content = source.read() if columns is None else None
            if content is not None:
                check(content)
            table = pq.ParquetFile(
                source if content is None else pa.BufferReader(content), page_checksum_verification=True
            ).read(columns=None if columns is None else list(columns))
        if len(table) != file.rows:
            raise ArchiveError(f"{path} is damaged: {len(table)} rows, not {file.rows}; {_MEND}")
        return table

    def uncovered(self, partition: int, first: int, end: int) -> list[tuple[int, int]]:
        """Ranges of offsets in [first, end) that no file holds: open, without rows, or missing."""
        gaps: list[tuple[int, int]] = []
        position = first
        for file in self.files(partition, first, end):
            if file.first_offset > position:
                gaps.append((position, file.first_offset))
            position = max(position, file.end_offset)
        return [*gaps, (position, end)] if position < end else gaps


def name_of(path: str) -> Name | None:
    """From a path below the data set's folder; None for files of other kinds."""
    found = _NAME.fullmatch(path.rsplit("/", 1)[-1])
    if found is None:
        return None
    return Name(path=path, partition=int(found["partition"]), first_offset=int(found["offset"]))


def described(folder: Folder, name: Name) -> ArchiveFile:
    """What a file's metadata says of it. Raises ArchiveError for one that is damaged or of another name."""
    path = f"{folder.path}/{name.path}"
    with _whole(path), folder.filesystem.open_input_file(path) as source:
        metadata = pq.read_metadata(source)
        said: dict[str, Any] = json.loads(metadata.metadata[METADATA])
        file = ArchiveFile(path=name.path, rows=metadata.num_rows, **said)
    if (file.partition, file.first_offset) != (name.partition, name.first_offset):
        raise ArchiveError(f"{path} is damaged: it holds p{file.partition} from offset {file.first_offset}; {_MEND}")
    return file


_MEND: Final = "put back a copy of it; an archive of the same log under another FRAUD_DATA_DIR writes the same bytes"


@contextmanager
def _read(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


@contextmanager
def _whole(path: str) -> Iterator[None]:
    """Say in one line that a file is gone or damaged."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArchiveError(f"{path} is not there") from error
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArchiveError(f"{path} is damaged: {reason}; {_MEND}") from error
