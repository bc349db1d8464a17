"""Files of the archive: `date=YYYY-MM-DD/part-pPPPPP-OOOOOOOOOOOOOOOOOOOO.parquet`, named by partition and first offset.

A file's bytes are a function of the log (and of the release of pyarrow): one row group, fixed encodings, and in its metadata
the range that it holds. A folder belongs to one log, which `_log.json` in it names.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from fraud.decision import moment
from fraud.errors import ArchiveError, StoreError
from fraud.policy import ENGINE_VERSION
from storage.archive import METADATA, ArchiveFile, Name, described, name_of
from storage.failpoints import reached
from storage.parts import Folder
from storage.ranges import OpenRange, Range
from storage.seal import sealed

MARKER: Final = "_log.json"
"""Begins with an underscore so that Parquet readers pass over it."""
_ABANDONED: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFiles:
    """The files of one data set, as its writer sees them."""

    folder: Folder
    log_id: str
    schema: pa.Schema
    schema_version: int
    layout: Mapping[str, Any] = field(default_factory=dict)
    """For `pyarrow.parquet.ParquetWriter`."""

    def claim(self, partitions: int) -> None:
        """Make the folder this log's, and tidy up after writers that died.

        Raises ArchiveError when it belongs to another log or a newer release, StoreError when it cannot be used.
        """
        mine = {"log_id": self.log_id, "partitions": partitions, "schema": self.schema_version}
        with _stored(f"{self.folder.path} cannot be used"):
            self.folder.make()
            found = self.folder.read(MARKER)
            if found is None:
                self.folder.write(MARKER, json.dumps(mine, sort_keys=True).encode())
            else:
                self._check(found, mine)
            self.folder.sweep(datetime.now(UTC) - _ABANDONED)

    def begin(self, partition: int, committed: int | None, first: int) -> OpenRange:
        """Where a writer goes on: at the committed offset, while the folder holds what came before it.

        Else at the end of the last file, or at `first`, the first offset that the log still holds: repeating is harmless.
        Raises ArchiveError for a damaged last file, StoreError for a folder that does not answer.
        """
        last = self.last(partition)
        if last is None:
            return OpenRange(partition=partition, schema=self.schema, next_offset=first)
        offset = last.end_offset if committed is None else committed
        before = last if last.end_offset <= offset else self.last(partition, before=offset)
        if before is None:  # what was committed had no row: only its records say where it began
            return OpenRange(partition=partition, schema=self.schema, next_offset=min(first, offset))
        # What the log no longer holds may have had rows: a group can be set on by hand.
        follows = before.end_offset if first <= before.end_offset else None
        return OpenRange(partition=partition, schema=self.schema, next_offset=offset, follows=follows)

    def last(self, partition: int, before: int | None = None) -> ArchiveFile | None:
        """The newest file of a partition, of those that begin before an offset. Raises as `begin`."""
        last = self._last(partition, before)
        return None if last is None else described(self.folder, last)

    def write(self, whole: Range) -> int:
        """Write one range under its name, in place of an older file of that name; the answer is its size in bytes.

        Raises StoreError when the folder does not take it; nothing is left behind then.
        """
        folder = self.folder / f"date={moment(whole.opened_at):%Y-%m-%d}"
        name = f"part-p{whole.partition:05d}-{whole.first_offset:020d}.parquet"
        content = sealed(whole.rows.combine_chunks(), {METADATA: self._described(whole)}, self.layout)
        with _stored(f"{folder.path}/{name} cannot be written"):
            folder.make()
            folder.write(name, content, halfway=lambda: reached("inside_archive_file"))
        return len(content)

    def _last(self, partition: int, before: int | None = None) -> Name | None:
        with _stored(f"{self.folder.path} cannot be read"):
            for date in reversed(self.folder.folders()):
                found = (name_of(f"{date}/{name}") for name in (self.folder / date).names())
                mine = [
                    name
                    for name in found
                    if name is not None
                    and name.partition == partition
                    and (before is None or name.first_offset < before)
                ]
                if mine:
                    return max(mine, key=lambda name: name.first_offset)
        return None

    def _check(self, found: bytes, mine: Mapping[str, Any]) -> None:
        try:
            marker = json.loads(found)
            theirs = {name: marker[name] for name in mine}
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveError(
                f"{self.folder.path}/{MARKER} cannot be read: put it back, or choose another FRAUD_DATA_DIR"
            ) from error
        if theirs["schema"] > self.schema_version:
            raise ArchiveError(
                f"{self.folder.path} was written by a newer release (format {theirs['schema']}, this one knows "
                f"{self.schema_version}): start that release"
            )
        if (theirs["log_id"], theirs["partitions"]) != (mine["log_id"], mine["partitions"]):
            raise ArchiveError(
                f"{self.folder.path} is the archive of log {theirs['log_id']} with {theirs['partitions']} partitions, not of "
                f"{mine['log_id']} with {mine['partitions']}: choose another FRAUD_DATA_DIR, or move that folder away"
            )

    def _described(self, whole: Range) -> bytes:
        said = {
            "log_id": self.log_id,
            "engine": ENGINE_VERSION,
            "schema": self.schema_version,
            "partition": whole.partition,
            "follows": whole.follows,
            "first_offset": whole.first_offset,
            "end_offset": whole.end_offset,
            "received_at": whole.received_at,
            "dead": whole.dead,
        }
        return json.dumps(said, sort_keys=True).encode()


@contextmanager
def _stored(what: str) -> Iterator[None]:
    """A disk or object store that does not take something is tried again: StoreError in one line that begins with `what`."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{what}: {str(error).splitlines()[0]}; free or open it") from error
