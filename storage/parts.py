"""Part files: Parquet written under a name that no reader looks at, renamed once it is whole."""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from fraud.errors import UsageError

UNFINISHED = ".tmp"
"""How the names of files end that are being written."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One finished part file, as a manifest lists it."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on a local disk or on any pyarrow filesystem."""

    filesystem: pafs.FileSystem
    path: str

    @classmethod
    def at(cls, root: str | Path) -> "Folder":
        """A local path, or a URL such as `s3://bucket/folder` or `file:///folder`."""
        if "://" in str(root):
            filesystem, path = pafs.FileSystem.from_uri(str(root))
            return cls(filesystem, path)
        return cls(pafs.LocalFileSystem(), str(Path(root).absolute()))

    def __truediv__(self, name: str) -> "Folder":
        """A folder below."""
        return Folder(self.filesystem, f"{self.path}/{name}")

    def make(self) -> None:
        """Create it with its parents; one that exists is left as it is."""
        self.filesystem.create_dir(self.path, recursive=True)

    def names(self) -> set[str]:
        """Names of the files directly in this folder."""
        return {path.rsplit("/", 1)[-1] for path in self._files(recursive=False)}

    def parts(self) -> list[str]:
        """Paths of all finished parts in this folder and below, in order of their names."""
        return sorted(path for path in self._files(recursive=True) if _is_part(path.rsplit("/", 1)[-1]))

    def holding(self, name: str) -> list[str]:
        """Paths of the folders below that hold a file of this name, in order."""
        return sorted(path.rpartition("/")[0] for path in self._files(recursive=True) if path.endswith(f"/{name}"))

    def folders(self) -> list[str]:
        """Names of the folders directly in this one, in order."""
        selector = pafs.FileSelector(self.path, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)

    def sweep(self, older_than: datetime) -> None:
        """Remove what was left unfinished, here and below, before a moment; object stores show nothing unfinished."""
        if not isinstance(self.filesystem, pafs.LocalFileSystem):
            return
        selector = pafs.FileSelector(self.path, recursive=True, allow_not_found=True)
        for info in self.filesystem.get_file_info(selector):
            if info.path.endswith(UNFINISHED) and info.mtime is not None and info.mtime < older_than:
                self.remove(info.path.removeprefix(f"{self.path}/"))

    def _files(self, *, recursive: bool) -> list[str]:
        selector = pafs.FileSelector(self.path, recursive=recursive, allow_not_found=True)
        return [info.path for info in self.filesystem.get_file_info(selector) if info.type == pafs.FileType.File]

    def read(self, name: str) -> bytes | None:
        """A small file whole; None when there is none."""
        if self.filesystem.get_file_info(f"{self.path}/{name}").type != pafs.FileType.File:
            return None
        with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
            return bytes(stream.read())

    def write(self, name: str, content: bytes, halfway: Callable[[], None] = lambda: None) -> None:
        """A file that fits into memory whole, by way of a temporary name; nothing is left of it when that fails."""
        temporary = _temporary(name)
        try:
            with self.filesystem.open_output_stream(f"{self.path}/{temporary}") as stream:
                stream.write(content[: len(content) // 2])
                halfway()
                stream.write(content[len(content) // 2 :])
            self.rename(temporary, name)
        except BaseException:
            with suppress(OSError):
                self.remove(temporary)
            raise

    def rename(self, old: str, new: str) -> None:
        """Give a file its name, in place of an older one. On a local disk bytes and name outlast a power cut."""
        self._settle(old)
        self.filesystem.move(f"{self.path}/{old}", f"{self.path}/{new}")
        self._settle("")

    def _settle(self, name: str) -> None:
        if isinstance(self.filesystem, pafs.LocalFileSystem):
            opened = os.open(f"{self.path}/{name}", os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)

    def remove(self, name: str) -> None:
        """Delete a file; one that is not there is fine."""
        if self.filesystem.get_file_info(f"{self.path}/{name}").type == pafs.FileType.File:
            self.filesystem.delete_file(f"{self.path}/{name}")

    def sha256(self, name: str) -> str:
        """Hash of a file's bytes, hex."""
        digest = hashlib.sha256()
        with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()


class PartFile:
    """One part being written; it does not exist for readers before `publish`."""

    def __init__(self, folder: Folder, name: str, schema: pa.Schema, **layout: Any) -> None:
        """Open it under a temporary name; `layout` is passed on to `pyarrow.parquet.ParquetWriter`."""
        self._folder = folder
        self._name = name
        self._temporary = _temporary(name)
        self.rows = 0
        folder.make()
        self._writer = pq.ParquetWriter(
            f"{folder.path}/{self._temporary}",
            schema,
            filesystem=folder.filesystem,
            compression="zstd",
            compression_level=3,
            write_page_index=True,
            **layout,
        )

    def write(self, table: pa.Table, rows_per_group: int) -> None:
        """Append rows in row groups of at most `rows_per_group`."""
        self._writer.write_table(table, row_group_size=rows_per_group)
        self.rows += len(table)

    def close(self) -> Part:
        """Finish the file, still under its temporary name; the answer is what the manifest says of it."""
        self._writer.close()
        return Part(name=self._name, rows=self.rows, sha256=self._folder.sha256(self._temporary))

    def publish(self) -> None:
        """Let readers see the closed file, in place of an older one of the same name."""
        self._folder.rename(self._temporary, self._name)

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError, pa.ArrowException):  # a full disk takes no footer either
            self._writer.close()
        self._folder.remove(self._temporary)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what a disk, an object store or Parquet found wrong in one line that begins with `what`."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{what}: {str(error).splitlines()[0]}") from error


def part_name(number: int) -> str:
    """`part-00000.parquet` and so on."""
    return f"part-{number:05d}.parquet"


def _temporary(name: str) -> str:
    # Parquet readers pass over names that begin with a dot; containers share process ids, so those keep no writers apart.
    return f".{name}.{uuid.uuid4().hex}{UNFINISHED}"


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")
