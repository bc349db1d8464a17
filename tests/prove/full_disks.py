"""The row in which a small file system runs full: under the checkpoints, the store, the log."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.prove.log_lines import Met
from tests.prove.outcome import Outcome, judge
from tests.prove.process_faults import kill_some
from tests.prove.server_faults import LONG, SECONDS_BEHIND
from tests.prove.stage import Plan, Stage, stage

ROUNDS = 10
RATE = 300.0
MEGABYTES = {"checkpoints": 8, "mongo": 256, "kafka": 512}
FULL_SECONDS = (3.0, 8.0)
MET_BY = {"checkpoints": ("checkpoint_failed",), "mongo": ("store_down",), "kafka": ("log_down",)}
"""What consumers log where they cannot do without the disk."""
SHARE_MET = {"checkpoints": 0.9, "mongo": 0.6, "kafka": 0.6}
"""Of the rounds, in how many they must have logged it."""
CAUGHT_UP_WITHIN = 120.0
CHUNK = bytes(1 << 16)


def disk(outcome: Outcome) -> None:
    """A small file system runs full, ten times each under checkpoints, store and log: nothing is corrupt, and all go on."""
    if sys.platform != "linux" or os.geteuid() != 0:
        outcome.skipped = "only root on Linux can mount a small file system"
        return
    each = max(1, round(ROUNDS * outcome.scale))
    for what in MEGABYTES:
        with small_file_system(what) as folder:
            if folder is None:
                outcome.skipped = "mounting a small file system is not allowed here"
                return
            _fill_under(outcome, what, folder, each)


def _fill_under(outcome: Outcome, what: str, folder: Path, each: int) -> None:
    settings = {"FRAUD_CHECKPOINT_DIR": str(folder)} if what == "checkpoints" else {}
    plan = Plan(
        seed=outcome.seed,
        count=round(each * 60 * RATE) + 20_000,
        rate=RATE,
        members=("one", "two"),
        settings=settings,
        folders={what: folder} if not settings else {},
    )
    with stage(plan) as opened:
        met = Met(opened.fleet, MET_BY[what])
        for number in range(each):
            opened.run_for(opened.random.uniform(2.0, 5.0))
            with met.round(what):
                _full(opened, what, folder, kills=what == "checkpoints" and number % 2 == 0)
                if what == "checkpoints" and number % 2:
                    kill_some(opened)
                opened.catch_up(CAUGHT_UP_WITHIN, round(SECONDS_BEHIND * RATE))
            outcome.rounds += 1
        opened.settle()
        judge(outcome, opened)
        outcome.notes += met.lines()
        outcome.failures += met.failures((what,), SHARE_MET[what])


def _full(opened: Stage, what: str, folder: Path, *, kills: bool) -> None:
    """Fill it, wait, make room, and start again what could not live without; `kills` consumers while it is full."""
    ballast = folder / "ballast"
    fill(ballast)
    opened.run_for(opened.random.uniform(*FULL_SECONDS))
    if kills:
        kill_some(opened)
        opened.run_for(opened.random.uniform(*FULL_SECONDS))
    if what == "mongo":  # its journal was given its room beforehand: only its death makes it ask for more
        opened.server.kill()
        opened.run_for(opened.random.uniform(*LONG))
    ballast.unlink()
    if what == "kafka":
        opened.broker.restart()
    elif what == "mongo":
        opened.server.start()


def fill(ballast: Path) -> None:
    """Until there is no room for another byte."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(CHUNK)
        except OSError:
            return


@contextmanager
def small_file_system(what: str) -> Iterator[Path | None]:
    """A folder with little room; None where none may be mounted."""
    folder = Path(mkdtemp(prefix=f"small-{what}-"))
    size = f"size={MEGABYTES[what]}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False
    )
    try:
        yield folder if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
