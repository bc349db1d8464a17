"""`python -m tests.prove [ROW ...]`: break the system on purpose, and hold what it kept against an oracle.

Exit code 0 when every row passed, 1 when one failed. `make prove` runs every row, `make prove ROW=kills` one of them.
"""

import argparse
import logging
import signal
import subprocess
import sys
import time
import traceback

import structlog

from tests.prove.outcome import CHANGED, Outcome, begun, commit_of, keep, kept
from tests.prove.rows import BESIDE, QUICK, ROWS
from tests.prove.table import write_table
from tests.services.server import die_with_parent


def main() -> int:
    """Run what was asked for; the exit code."""
    asked = _asked()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # every block ends what it started
    if asked.table:
        write_table()
        return 0
    if asked.rows:
        return 1 if "fail" in [_run(name, asked) for name in asked.rows] else 0
    return _run_all(asked)


def _run_all(asked: argparse.Namespace) -> int:
    """Every row; the one that only takes long runs beside the others."""
    with _begun(BESIDE, asked) as beside:
        try:
            verdicts = [_run(name, asked) for name in ROWS if name not in (BESIDE, QUICK)]
            _say(beside.communicate()[0])
        except BaseException:
            beside.terminate()
            raise
    return 1 if beside.returncode or "fail" in verdicts else 0


def _begun(name: str, asked: argparse.Namespace) -> "subprocess.Popen[str]":
    options = ["--seed", str(asked.seed), "--scale", str(asked.scale), *(["--again"] if asked.again else [])]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.prove", name, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )


def _run(name: str, asked: argparse.Namespace) -> str:
    earlier, commit = kept(name), commit_of()
    same = {"commit": commit, "seed": asked.seed, "scale": asked.scale, "verdict": "pass"}
    is_same = earlier is not None and same.items() <= earlier.items() and not commit.endswith(CHANGED)
    if is_same and not asked.again:
        _say(f"{name}: passed before at this commit, seed and scale (--again repeats it)")
        return "pass"
    outcome = begun(name, asked.seed, asked.scale)
    _say(f"{name}: {(ROWS[name].__doc__ or '').splitlines()[0]} Seed {asked.seed}, scale {asked.scale:g}.")
    started = time.monotonic()
    _attempt(outcome)
    outcome.duration_s = round(time.monotonic() - started, 1)
    keep(outcome)
    _say("\n".join(outcome.lines()))
    return outcome.verdict


def _attempt(outcome: Outcome) -> None:
    """A row that breaks down is a row that failed; the others still run."""
    try:
        ROWS[outcome.row](outcome)
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        outcome.failures.append(f"the row itself broke down: {type(error).__name__}: {error}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prove", description="Break the system on purpose.")
    parser.add_argument(
        "rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=f"of {', '.join(ROWS)}; all without"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rounds and events, such as 0.1")
    parser.add_argument("--again", action="store_true", help="also what passed at this commit, seed and scale")
    parser.add_argument("--table", action="store_true", help="write the table of docs/proof.md from what was kept")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
