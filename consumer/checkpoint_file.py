"""One checkpoint as a file: a line with the SHA-256 of everything after it, a header line of JSON, then the arrays.

Arrays are written from where they lie and read to where they stay, so that a file needs no more memory than its content.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from consumer.minutes import Counts
from consumer.rebuilding import Missing
from fraud.policy import ENGINE_VERSION
from fraud.ring import CAP, WIDTH
from fraud.windows import Remembered
from storage.failpoints import reached

UNFINISHED: Final = ".unfinished"
"""How the name of a file ends while it is written."""
_ARRAYS: Final = {"hashes": np.uint64, "lengths": np.int64, "dropped": np.int64, "rows": np.int64}
_DIGEST: Final = 64
_LONGEST_HEADER: Final = 1 << 16
"""Bytes; a header with every currency and every reason has a tenth of it."""
_PIECE: Final = 1 << 24
"""Bytes read and hashed at once."""
_DAMAGED: Final = "damaged or cut short"
Count = Annotated[int, msgspec.Meta(ge=0)]


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
    missing: Missing | None = None
    """What memory lacks where neither log nor archive had it."""


class Header(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a file says of itself before its arrays; fields in alphabetical order, as they are written."""

    engine: Count
    log_id: str
    minute: Counts | None
    missing: Missing | None = None
    newest: int
    offset: Count
    partition: Count
    partitions: Count
    policy: str | None
    received_at: int
    rows: Count
    users: Count


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Under a name of its own (two processes may write the same checkpoint), durable, then renamed. Raises OSError.

    Whatever goes wrong, nothing half is left behind, unless the process itself dies.
    """
    header = _header(checkpoint)
    arrays = [_bytes_of(getattr(checkpoint.remembered, name), kind) for name, kind in _ARRAYS.items()]
    digest = hashlib.sha256(header)
    for array in arrays:
        digest.update(array)
    handle, name = tempfile.mkstemp(UNFINISHED, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(digest.hexdigest().encode() + b"\n" + header)
            _write_arrays(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        reached("before_checkpoint_rename")
        Path(name).rename(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)  # before older ones are dropped


def _write_arrays(file: BufferedWriter, arrays: list[memoryview]) -> None:
    *small, rows = arrays  # nearly all bytes are rows
    for array in small:
        file.write(array)
    file.write(rows[: len(rows) // 2])
    file.flush()
    reached("inside_checkpoint")
    file.write(rows[len(rows) // 2 :])


def read_header(path: Path) -> Header:
    """What a file says of itself, before anybody knows whether it is whole. Raises ValueError when that cannot be read, OSError."""
    with path.open("rb") as file:
        return _opened(file)[1]


def read(path: Path) -> Checkpoint:
    """Read one file. Raises ValueError (in words) for a damaged one, whatever the damage, and OSError."""
    with path.open("rb") as file:
        digest, header, line = _opened(file)
        counts = {name: header.rows * WIDTH if name == "rows" else header.users for name in _ARRAYS}
        if os.fstat(file.fileno()).st_size != file.tell() + 8 * sum(counts.values()):
            raise ValueError(_DAMAGED)  # before room is made for what is not there
        actual = hashlib.sha256(line)
        arrays: dict[str, Any] = {name: _read_array(file, kind, counts[name], actual) for name, kind in _ARRAYS.items()}
    if actual.hexdigest().encode() != digest:
        raise ValueError(_DAMAGED)
    _check_arrays(arrays["hashes"], arrays["lengths"], header.rows)
    arrays["rows"] = arrays["rows"].reshape(-1, WIDTH)
    return Checkpoint(
        log_id=header.log_id,
        partition=header.partition,
        partitions=header.partitions,
        offset=header.offset,
        received_at=header.received_at,
        minute=header.minute,
        policy=header.policy,
        remembered=Remembered(newest=header.newest, **arrays),
        missing=header.missing,
    )


def _opened(file: BufferedReader) -> tuple[bytes, Header, bytes]:
    """Digest, header and the header's line of a file that stands at its beginning; it stands at the arrays afterwards."""
    digest = file.readline(_DIGEST + 1)
    line = file.readline(_LONGEST_HEADER)
    if len(digest) != _DIGEST + 1 or not digest.endswith(b"\n") or not line.endswith(b"\n"):
        raise ValueError(_DAMAGED)
    try:
        return digest[:-1], msgspec.json.decode(line, type=Header), line
    except ValueError as error:  # msgspec's own, or of bytes that are no text
        raise ValueError(_DAMAGED) from error


def _read_array(file: BufferedReader, kind: type, count: int, digest: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.empty(count, kind)
    content = array.view(np.uint8).data
    for start in range(0, len(content), _PIECE):
        piece = content[start : start + _PIECE]
        if file.readinto(piece) != len(piece):
            raise ValueError(_DAMAGED)
        digest.update(piece)
    return array


def _check_arrays(hashes: npt.NDArray[np.uint64], lengths: npt.NDArray[np.int64], rows: int) -> None:
    """Kernels trust these without looking."""
    within = bool(((lengths > 0) & (lengths <= CAP)).all()) and int(lengths.sum()) == rows
    if not within or not bool((hashes[1:] > hashes[:-1]).all()):
        raise ValueError("its arrays contradict each other")


def _header(checkpoint: Checkpoint) -> bytes:
    header = Header(
        engine=ENGINE_VERSION,
        log_id=checkpoint.log_id,
        minute=checkpoint.minute,
        missing=checkpoint.missing,
        newest=checkpoint.remembered.newest,
        offset=checkpoint.offset,
        partition=checkpoint.partition,
        partitions=checkpoint.partitions,
        policy=checkpoint.policy,
        received_at=checkpoint.received_at,
        rows=len(checkpoint.remembered.rows),
        users=len(checkpoint.remembered.hashes),
    )
    return msgspec.json.encode(header, order="deterministic") + b"\n"


def _bytes_of(array: npt.NDArray[Any], kind: type) -> memoryview:
    return np.ascontiguousarray(array, kind).reshape(-1).view(np.uint8).data


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
