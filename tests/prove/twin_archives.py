"""Two archives of one log: the same files, byte for byte; and where the last file that the log shows to be whole must end."""

import hashlib
from pathlib import Path
from typing import Any, Final

from storage.logs.log import TRANSACTIONS, Log
from tests.prove.comparing import Comparison, compare

OFFSETS: Final = 100_000
MICROS: Final = 300_000_000
"""A file ends before the first record of another so many offsets, or of another five minutes."""


def archived_until(log: Log, partition: int) -> int:
    """The offset up to which a partition must be archived; 0 where no file is whole."""
    first, end = log.bounds(TRANSACTIONS, partition)
    clock, until, last = 0, 0, first
    before: tuple[int, int] | None = None
    for record in log.read(TRANSACTIONS, partition, first, end):
        clock = max(clock, record.received_at)
        place = (record.offset // OFFSETS, clock // MICROS)
        if before is not None and place != before:
            until = last + 1
        before, last = place, record.offset
    return until


def same_files(expected: Path, found: Path) -> Comparison:
    """Files by their place under `decisions`."""
    return compare("archived files", _digests(expected), _digests(found))


def _digests(data_dir: Path) -> dict[str, dict[str, Any]]:
    root = data_dir / "decisions"
    return {
        str(file.relative_to(root)): {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in root.rglob("*.parquet")
    }
