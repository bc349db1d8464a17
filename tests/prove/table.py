"""The table of docs/proof.md, from what every row wrote down; the text around it is written by hand."""

from typing import Any

from tests.prove.fleet import ROOT
from tests.prove.outcome import kept
from tests.prove.rows import BESIDE, QUICK, ROWS

PAGE = ROOT / "docs" / "proof.md"
BEGIN, END = "<!-- table: make prove -->", "<!-- end of table -->"
COLUMNS = (
    *("row", "verdict", "rounds", "events", "flags", "lost", "extra", "different"),
    *("longest gap", "published twice", "recovery p50 / p95", "took", "commit"),
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"


def write_table() -> None:
    """Replace what stands between the markers."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}{END}{after}", encoding="utf-8")


def table() -> str:
    """Every row, run or not."""
    found = {name: kept(name) for name in ROWS if name != QUICK}
    return HEAD + "".join(_line(name, one) for name, one in found.items()) + _total(found)


def _total(found: dict[str, dict[str, Any] | None]) -> str:
    """How long all took; nothing while one was not run whole."""
    whole = {name: one["duration_s"] for name, one in found.items() if one is not None and one["scale"] >= 1}
    if len(whole) < len(found):
        return ""
    took = sum(seconds for name, seconds in whole.items() if name != BESIDE)
    return f"\nOne after another they took {took / 60:.0f} minutes, without `{BESIDE}`, which runs beside the others.\n"


def _line(name: str, found: dict[str, Any] | None) -> str:
    if found is None:
        return f"| `{name}` | not run |{' |' * 11}\n"
    if found["verdict"] == "skipped":
        return f"| `{name}` | skipped: {found['skipped']} |{' |' * 10} `{found['commit']}` |\n"
    scale = "" if found["scale"] == 1 else f" (scale {found['scale']:g})"
    twice = "" if found["published_twice"] is None else f"{found['published_twice']:.1%}"
    gap = "" if found["longest_gap_s"] is None else f"{found['longest_gap_s']} s"
    p50 = found["recovery_p50_s"]
    recovery = "" if p50 is None else f"{p50} / {found['recovery_p95_s']} s"
    cells = [f"`{name}`{scale}", found["verdict"], *(f"{found[key]:,}" for key in ("rounds", "events", "flags"))]
    cells += [str(found[key]) for key in ("lost", "extra", "different")]
    cells += [gap, twice, recovery, f"{found['duration_s']:.0f} s", f"`{found['commit']}`"]
    return f"| {' | '.join(cells)} |\n"
