"""Checkpoints: the state of one partition with the offset it belongs to, one file each, in a folder of the group.

Content is a pure function of the log (canonical order, nothing invisible), so equal names hold equal bytes, whoever wrote
them. A reader meets whole files or none.
"""

import errno
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from consumer import checkpoint_file
from consumer.checkpoint_file import UNFINISHED, Checkpoint
from fraud.errors import StateError

SCHEMA: Final = 1
KEPT: Final = 3
"""Checkpoints kept of each partition, highest offsets first."""
_ABANDONED: Final = 600
"""Seconds after which nobody writes an unfinished one any more; one who does after all fails, and tries again."""
_NAME: Final = re.compile(r"(?P<log>.+)-p(?P<partition>\d{5})-s(?P<schema>\d{3})-(?P<offset>\d{20})\.checkpoint")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class _Named(NamedTuple):
    """A file by what its name says; the highest offset is the newest."""

    offset: int
    schema: int
    path: Path
    log: str
    partition: int


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """The checkpoints of one group in a folder of their own."""

    folder: Path

    def check(self, log_id: str, partitions: int) -> None:
        """Refuse at the start, before the group is joined, what must not be passed over later.

        Raises StateError for a folder that cannot be listed or written, for a file that cannot be read, and for state of
        another log, of another partition count or of a newer release. A full disk is no reason: deciding goes on without.
        """
        try:
            self._try_folder()
            for named in self._named():
                with suppress(FileNotFoundError):  # others of the group drop older ones
                    _check_one(named, log_id, partitions)
        except OSError as error:
            raise _unusable(Path(error.filename or self.folder), error) from error

    def write(self, checkpoint: Checkpoint, committed: int | None = None) -> Path:
        """Write one and drop the oldest beyond KEPT, but never the newest that a restart at `committed` could use.

        None: everything before the checkpoint is committed. Raises StateError when the folder does not take it.
        """
        target = self.folder / _file_name(checkpoint.log_id, checkpoint.partition, checkpoint.offset)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            checkpoint_file.write(checkpoint, target)
            mine = [named for named in self._files(checkpoint.log_id, checkpoint.partition) if named.schema <= SCHEMA]
            for old in _beyond(mine, checkpoint.offset, checkpoint.offset if committed is None else committed):
                old.path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(
                f"checkpoint {target.name} not written: {error.strerror}; free or open {self.folder}"
            ) from error
        return target

    def newest(self, log_id: str, partition: int, partitions: int, at_most: int) -> tuple[Checkpoint | None, list[str]]:
        """The highest valid one with an offset of at most `at_most`, and one line for each that was skipped.

        Raises StateError for state that must not be passed over: another partition count, a newer schema.
        """
        skipped: list[str] = []
        for named in sorted(self._files(log_id, partition), reverse=True):
            if named.schema > SCHEMA:
                raise StateError(_newer(named))
            if named.offset > at_most:
                continue
            try:
                checkpoint = _read(named, log_id)
            except (ValueError, OSError) as error:
                skipped.append(f"{named.path.name}: {error}")
                continue
            if checkpoint.partitions != partitions:
                raise StateError(_other_count(named.path, checkpoint.partitions, partitions))
            return checkpoint, skipped
        return None, skipped

    def _files(self, log_id: str, partition: int) -> Iterator[_Named]:
        for named in self._named():
            if (named.log, named.partition) == (_safe(log_id), partition):
                yield named

    def _named(self) -> Iterator[_Named]:
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if (name := _NAME.fullmatch(path.name)) is not None:
                numbers = int(name["offset"]), int(name["schema"])
                yield _Named(*numbers, path, name["log"], int(name["partition"]))

    def _try_folder(self) -> None:
        """Make it and a file in it. Raises StateError, but not for a full disk."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(suffix=UNFINISHED, dir=self.folder):
                pass
        except OSError as error:
            if error.errno not in _FULL:
                raise _unusable(self.folder, error) from error

    def _sweep(self) -> None:
        """Drop what writers that were killed left behind."""
        now = time.time()
        for path in self.folder.glob(f"*{UNFINISHED}"):
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > _ABANDONED:
                    path.unlink()


def _beyond(files: Iterable[_Named], written: int, committed: int) -> list[_Named]:
    """Those that nobody needs any more, as far as the writer of one can tell: others may be ahead of it."""
    newest_first = sorted(files, reverse=True)
    needed = next((named for named in newest_first if named.offset <= committed), None)
    beyond = [named for named in newest_first[KEPT:] if named is not needed]
    if any(named.offset == written for named in newest_first[:KEPT]):
        return beyond
    least = 0 if needed is None else needed.offset
    return [named for named in beyond if named.offset == written or named.offset < least]


def _unusable(path: Path, error: OSError) -> StateError:
    return StateError(
        f"checkpoints cannot be read and written: {path}: {error.strerror}; "
        "mend its permissions, or name another FRAUD_CHECKPOINT_DIR"
    )


def _check_one(named: _Named, log_id: str, partitions: int) -> None:
    """Raise StateError for a file that is not this group's memory of this log. A damaged one is left to be skipped."""
    if named.log != _safe(log_id):
        raise StateError(_other_log(named.path, named.log, log_id))
    if named.schema > SCHEMA:
        raise StateError(_newer(named))
    if named.schema < SCHEMA:
        return
    with suppress(ValueError):
        header = checkpoint_file.read_header(named.path)
        if (header.log_id, header.partitions) == (log_id, partitions):
            return
        whole = checkpoint_file.read(named.path)  # what a damaged file says is no reason to refuse
        if whole.log_id != log_id:
            raise StateError(_other_log(named.path, whole.log_id, log_id))
        raise StateError(_other_count(named.path, whole.partitions, partitions))


def _read(named: _Named, log_id: str) -> Checkpoint:
    """Raises ValueError for what is damaged, of an older format or under another's name."""
    if named.schema < SCHEMA:
        raise ValueError(f"of the older format {named.schema}, this release reads {SCHEMA}")
    checkpoint = checkpoint_file.read(named.path)
    if (checkpoint.log_id, checkpoint.partition, checkpoint.offset) != (log_id, named.partition, named.offset):
        raise ValueError("its content belongs to another name")
    return checkpoint


def _other_log(path: Path, theirs: str, ours: str) -> str:
    return (
        f"{path} is of the log {theirs}, this one is {ours}: the topic was made anew, or FRAUD_LOG names another; "
        f"choose another FRAUD_GROUP, or remove {path.parent}"
    )


def _other_count(path: Path, theirs: int, ours: int) -> str:
    return (
        f"{path} is of a topic with {theirs} partitions, this one has {ours}: users have moved; "
        f"choose another FRAUD_GROUP, or remove {path.parent}"
    )


def _newer(named: _Named) -> str:
    return (
        f"{named.path} is of a newer release (format {named.schema}, this one reads {SCHEMA}): "
        f"start that release, choose another FRAUD_GROUP, or remove {named.path.parent}"
    )


def _file_name(log_id: str, partition: int, offset: int) -> str:
    return f"{_safe(log_id)}-p{partition:05}-s{SCHEMA:03}-{offset:020}.checkpoint"


def _safe(log_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]", "_", log_id)
