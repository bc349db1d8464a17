"""Rows in which something beside the processes changes: the rules file, the clock."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.prove.outcome import Outcome, judge
from tests.prove.process_faults import kill_some
from tests.prove.stage import RULES, Plan, Stage, stage

RATE = 400.0
CHANGES = 50
APART = 14.0
"""Seconds between two changes: a policy rules ten seconds after it was published, and each should rule for a while."""
JUMPS: Final = ("3600", "-3600", "31536000", "-31536000")
"""Seconds by which a clock is wrong."""
RIGHT = "0"
JUMP_ROUNDS = 10
MEMBERS = ("static-1", "static-2")
SOURCE = Path(__file__).with_name("wrong_clock.c")


def policies(outcome: Outcome) -> None:
    """The rules file changes while consumers are killed; several watchers publish it at once, and some of them die over it."""
    wanted = max(2, round(CHANGES * outcome.scale))
    with stage(Plan(seed=outcome.seed, count=round(wanted * APART * RATE * 2), rate=RATE)) as opened:
        for number in range(wanted):
            change_rules(opened, number)
            opened.run_for(opened.random.uniform(0.0, 5.0))
            kill_some(opened)
            opened.run_for(opened.random.uniform(0.3, 0.7) * APART)
            outcome.rounds += 1
        opened.settle()
        expected = judge(outcome, opened)
    ruling = {flag["policy"] for flag in expected.flags.values()}
    outcome.notes.append(f"{len(expected.policies)} valid policies, {len(ruling)} of them ruled a flag")


def change_rules(opened: Stage, number: int) -> None:
    """As an editor saves a file: whole, under its name."""
    text = RULES.read_text(encoding="utf-8")
    text = re.sub(r"EUR: 1000\b", f"EUR: {700 + 10 * (number % 50)}", text)
    text = re.sub(r"limit: 4\b", f"limit: {opened.random.randint(3, 5)}", text)
    text = re.sub(r"amount > 3 \*", f"amount > {opened.random.choice(('3', '3.5', '2.75'))} *", text)
    file = opened.road.settings.rules_file
    half = file.with_suffix(".new")
    half.write_text(text, encoding="utf-8")
    half.rename(file)


def clocks(outcome: Outcome) -> None:
    """The clocks of all consumers jump by an hour and by a year, forth and back, while payments flow."""
    if shutil.which("cc") is None or sys.platform != "linux":
        outcome.skipped = (
            "no C compiler (cc): the library that makes a clock wrong is built from tests/prove/wrong_clock.c"
        )
        return
    wanted = max(2, round(JUMP_ROUNDS * outcome.scale))
    with TemporaryDirectory(prefix="clock-") as folder:
        library, clock = _library(Path(folder)), Path(folder) / "clock"
        clock.write_text(RIGHT)
        wrong = {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(clock)}
        plan = Plan(seed=outcome.seed, count=round(wanted * 40 * RATE), rate=RATE, members=MEMBERS, settings=wrong)
        with stage(plan) as opened:
            for number in range(wanted):
                clock.write_text(JUMPS[number % len(JUMPS)])
                opened.run_for(opened.random.uniform(5.0, 12.0))
                outcome.rounds += 1
            opened.settle()
            judge(outcome, opened)


def _library(folder: Path) -> Path:
    built = folder / "wrong_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(built), str(SOURCE), "-ldl"], check=True)
    return built
