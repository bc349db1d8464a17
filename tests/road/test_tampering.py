"""What the real road says was found must have been named: each of four tamperings, and nothing else."""

from pathlib import Path

import pytest

from tests.road.tampering import Tampered, damage, unnamed

DONE = Tampered(deleted="aa", altered="bb", added="by-hand")
FILE = Path("/data/decisions/date=2026-01-01/part-p00003-00000000000000000000.parquet")
SAID = [
    "100 offsets of 1 partition, decided by group `road`, looked at again",
    "  missing: aa (transactions-7, offset 8141)",
    "  extra: by-hand (transactions-7, offset 984)",
    "  different: bb (transactions-4, offset 10349): severity 'medium' became 'critical'",
    f"  different: {FILE} is damaged: its bytes are not those that were written; put back a copy of it",
    "verdict: different",
]


def test_nothing_is_wrong_where_each_is_named() -> None:
    assert list(unnamed("\n".join(SAID), DONE, FILE)) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        pytest.param(1, "the deleted flag", id="the deleted flag"),
        pytest.param(2, "the added flag", id="the added flag"),
        pytest.param(3, "the altered flag", id="the altered flag"),
        pytest.param(4, "the damaged file", id="the damaged file"),
    ],
)
def test_what_is_not_named_is_told(line: int, what: str) -> None:
    said = "\n".join([*SAID[:line], *SAID[line + 1 :]])

    [mistake] = unnamed(said, DONE, FILE)

    assert mistake.startswith(f"{what} is not named")


def test_what_is_named_besides_is_told() -> None:
    [mistake] = unnamed("\n".join([*SAID, "  missing: cc (transactions-1, offset 1)"]), DONE, FILE)

    assert mistake == "5 differences are named, 4 were made"


def test_a_damaged_file_keeps_its_length_and_is_the_largest(tmp_path: Path) -> None:
    small, large = tmp_path / "date=2026-01-01" / "part-a.parquet", tmp_path / "date=2026-01-01" / "part-b.parquet"
    small.parent.mkdir()
    small.write_bytes(bytes(100))
    large.write_bytes(bytes(200))

    assert damage(tmp_path) == large

    assert len(large.read_bytes()) == 200
    assert [place for place, byte in enumerate(large.read_bytes()) if byte] == list(range(100, 108))
