"""Checkpoints: the state of one partition with the offset it belongs to, one file each.

Content is a pure function of the log (canonical order, nothing invisible), so equal names hold equal bytes, whoever wrote
them. A file is a line with the SHA-256 of everything after it, a header line of JSON, then the arrays. It is written under a
temporary name of its own and renamed, so a reader meets whole files or none.
"""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from consumer.minutes import Counts
from fraud.errors import StateError
from fraud.policy import ENGINE_VERSION
from fraud.ring import WIDTH
from fraud.windows import Remembered

SCHEMA: Final = 1
KEPT: Final = 3
"""Checkpoints kept of each partition, highest offsets first."""
_UNFINISHED: Final = ".unfinished"
_ABANDONED: Final = 3_600
"""Seconds after which nobody writes an unfinished one any more."""
_NAME: Final = re.compile(r"(?P<log>.+)-p(?P<partition>\d{5})-s(?P<schema>\d{3})-(?P<offset>\d{20})\.checkpoint")
_ARRAYS: Final = {"hashes": np.uint64, "lengths": np.int64, "dropped": np.int64, "rows": np.int64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """State of one partition before `offset` is read."""

    log_id: str
    partition: int
    partitions: int
    """How many the topic has: state of another count belongs to other users."""
    offset: int
    received_at: int
    """Running maximum of the partition's append times, microseconds."""
    minute: Counts | None
    """The open minute."""
    policy: str | None
    """Hash of the policy in force, for people; what rules is always read from the log."""
    remembered: Remembered


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """The checkpoints of one group in a folder of their own."""

    folder: Path

    def write(self, checkpoint: Checkpoint) -> Path:
        """Write one and drop the oldest beyond KEPT. Raises StateError when the folder does not take it."""
        body = b"".join(
            np.ascontiguousarray(getattr(checkpoint.remembered, name), kind).tobytes() for name, kind in _ARRAYS.items()
        )
        content = _header(checkpoint) + b"\n" + body
        target = self.folder / _file_name(checkpoint.log_id, checkpoint.partition, checkpoint.offset)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            _write_whole(target, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            for _, old in sorted(self._files(checkpoint.log_id, checkpoint.partition), reverse=True)[KEPT:]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(
                f"checkpoint {target.name} not written: {error.strerror}; free or open {self.folder}"
            ) from error
        return target

    def newest(self, log_id: str, partition: int, partitions: int, at_most: int) -> tuple[Checkpoint | None, list[str]]:
        """The highest valid one with an offset of at most `at_most`, and one line for each that was skipped.

        Raises StateError for state that must not be passed over in silence: another partition count, a newer schema.
        """
        skipped: list[str] = []
        for offset, path in sorted(self._files(log_id, partition), reverse=True):
            if offset > at_most:
                continue
            try:
                checkpoint = read(path)
                _check_name(checkpoint, log_id, partition, offset)
            except (ValueError, OSError) as error:
                skipped.append(f"{path.name}: {error}")
                continue
            if checkpoint.partitions != partitions:
                raise StateError(
                    f"{path.name} is of a topic with {checkpoint.partitions} partitions, this one has {partitions}: "
                    "users have moved; choose another group or data folder"
                )
            return checkpoint, skipped
        return None, skipped

    def _files(self, log_id: str, partition: int) -> Iterator[tuple[int, Path]]:
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            named = _NAME.fullmatch(path.name)
            if named is None or int(named["partition"]) != partition:
                continue
            if named["log"] != _safe(log_id):
                continue
            if int(named["schema"]) > SCHEMA:
                raise StateError(f"{path.name} is of a newer release: update this consumer, or choose another group")
            if int(named["schema"]) == SCHEMA:
                yield int(named["offset"]), path

    def _sweep(self) -> None:
        """Drop what writers that were killed left behind."""
        now = time.time()
        for path in self.folder.glob(f"*{_UNFINISHED}"):
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > _ABANDONED:
                    path.unlink()


def _write_whole(target: Path, content: bytes) -> None:
    """Under a name of its own (two processes may write the same checkpoint), durable, then renamed."""
    handle, name = tempfile.mkstemp(_UNFINISHED, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).rename(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # before older ones are dropped
    finally:
        os.close(folder)


def _check_name(checkpoint: Checkpoint, log_id: str, partition: int, offset: int) -> None:
    if (checkpoint.log_id, checkpoint.partition, checkpoint.offset) != (log_id, partition, offset):
        raise ValueError("its content belongs to another name")


def read(path: Path) -> Checkpoint:
    """Read one file. Raises ValueError (in words) for a damaged one."""
    digest, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise ValueError("damaged or cut short")
    header_line, _, body = content.partition(b"\n")
    header = msgspec.json.decode(header_line)
    arrays: dict[str, Any] = {}
    at = 0
    for name, kind in _ARRAYS.items():
        count = header["rows"] * WIDTH if name == "rows" else header["users"]
        arrays[name] = np.frombuffer(body, kind, count, at).copy()
        at += count * 8
    arrays["rows"] = arrays["rows"].reshape(-1, WIDTH)
    return Checkpoint(
        log_id=header["log_id"],
        partition=header["partition"],
        partitions=header["partitions"],
        offset=header["offset"],
        received_at=header["received_at"],
        minute=msgspec.convert(header["minute"], Counts | None),
        policy=header["policy"],
        remembered=Remembered(newest=header["newest"], **arrays),
    )


def _header(checkpoint: Checkpoint) -> bytes:
    return msgspec.json.encode(
        {
            "engine": ENGINE_VERSION,
            "log_id": checkpoint.log_id,
            "minute": checkpoint.minute,
            "newest": checkpoint.remembered.newest,
            "offset": checkpoint.offset,
            "partition": checkpoint.partition,
            "partitions": checkpoint.partitions,
            "policy": checkpoint.policy,
            "received_at": checkpoint.received_at,
            "rows": len(checkpoint.remembered.rows),
            "users": len(checkpoint.remembered.hashes),
        },
        order="deterministic",
    )


def _file_name(log_id: str, partition: int, offset: int) -> str:
    return f"{_safe(log_id)}-p{partition:05}-s{SCHEMA:03}-{offset:020}.checkpoint"


def _safe(log_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]", "_", log_id)
