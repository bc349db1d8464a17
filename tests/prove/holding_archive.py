"""Archived decisions held against the oracle: every record up to where the log shows that its partition's last file is whole.

What lies after it is not yet archived, and no difference. A dead letter has no row.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from storage.archive import Archive
from tests.prove.comparing import Comparison, compare
from tests.prove.holding import Expected

STATUS: Final = {"d": "decided", "u": "duplicate", "b": "before_policy"}
DEAD: Final = "x"
COLUMNS: Final = ("offset", "status", "policy", "severity", "flagged", "hits", "shadow_hits", "history_incomplete")
NOTHING: Final[dict[str, Any]] = {"severity": None, "hits": [], "shadow_hits": [], "policy": None}


def archived(expected: Expected, root: Path, ends: Mapping[int, int]) -> Comparison:
    """Rows by partition-offset: what became of the record, severity, rules that fired, and the policy where one fired.

    `ends` says up to which offset each partition must be archived, whatever files there are; partitions without a whole file are not in it.
    """
    archive = Archive(root)
    wanted: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, Any]] = {}
    for partition, fates in expected.fates.items():
        wanted |= {
            f"{partition}-{offset}": _expected(letter, expected.judgements.get(f"{partition}-{offset}", NOTHING))
            for offset, letter in enumerate(fates[: ends.get(int(partition), 0)])
            if letter != DEAD
        }
        for file in archive.files(int(partition)):
            rows = archive.table(file, COLUMNS).to_pylist()
            found |= {f"{partition}-{row.pop('offset')}": _without_idle_policy(row) for row in rows}
    return compare("rows of the archive", wanted, found)


def _expected(letter: str, judgement: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": STATUS[letter.lower()],
        "flagged": judgement["severity"] is not None,
        "history_incomplete": letter.isupper(),
        **judgement,
    }


def _without_idle_policy(row: dict[str, Any]) -> dict[str, Any]:
    """The policy says something where one of its rules fired."""
    return row if row["hits"] or row["shadow_hits"] else {**row, "policy": None}
