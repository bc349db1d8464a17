"""What somebody at the store's console may do to flags (delete one, alter one, add one), and a disk to a file of the archive."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo

FLIPPED = 8
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Tampered:
    """Flag ids."""

    deleted: str
    altered: str
    added: str


def tamper(url: str) -> Tampered:
    """Do all three to flags of a MongoDB database."""
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        flags = client.get_default_database()["flags"]
        deleted, altered, copied = flags.find().sort("_id", 1).limit(3)
        flags.delete_one({"_id": deleted["_id"]})
        flags.update_one({"_id": altered["_id"]}, {"$set": {"severity": "critical", "hits": []}})
        flags.insert_one({**copied, "_id": "by-hand"})
    return Tampered(deleted["_id"], altered["_id"], "by-hand")


def damage(decisions: Path) -> Path:
    """Flip some bytes in the middle of the largest file of an archive, which keeps its length; the answer is which one."""
    file = max(decisions.rglob("part-*.parquet"), key=lambda path: (path.stat().st_size, path.name))
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    for place in range(middle, middle + FLIPPED):
        content[place] ^= 0xFF
    file.write_bytes(content)
    return file


def unnamed(said: str, tampered: Tampered, damaged: Path) -> Iterator[str]:
    """What was tampered with and `fraud replay --verify` does not name, or names besides: one line each."""
    named = {
        f"  missing: {tampered.deleted} ": "the deleted flag",
        f"  different: {tampered.altered} ": "the altered flag",
        f"  extra: {tampered.added} ": "the added flag",
        f"/{damaged.name} is damaged: ": "the damaged file",
    }
    for words, what in named.items():
        if words not in said:
            yield f"{what} is not named: {words.strip()} is not in what it said"
    differences = sum(line.startswith("  ") for line in said.splitlines())
    if differences > len(named):
        yield f"{differences} differences are named, {len(named)} were made"
