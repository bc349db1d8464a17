"""Rows in which something beside the processes changes: the rules file, the clock."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from storage.logs.log import POLICIES
from tests.prove.outcome import Outcome, judge
from tests.prove.process_faults import kill_some
from tests.prove.stage import RULES, Plan, Stage, stage

RATE = 400.0
CHANGES = 50
APART = 14.0
"""Seconds between two changes: a policy rules ten seconds after it was published, and each should rule for a while."""
PUBLISHED_WITHIN = 60.0
JUMPS: Final = ("3600", "-3600", "31536000", "-31536000")
"""Seconds by which a clock is wrong."""
RIGHT = "0"
JUMP_ROUNDS = 10
JUMP_SECONDS = (33.0, 38.0)
"""All rounds together last longer than the five minutes after which a file of the archive ends."""
NEAR = timedelta(seconds=60)
"""The last heartbeat is some seconds old."""
MEMBERS = ("static-1", "static-2")
SOURCE = Path(__file__).with_name("wrong_clock.c")


def policies(outcome: Outcome) -> None:
    """The rules file changes while consumers are killed; several watchers publish it at once, and some of them die over it."""
    wanted = max(2, round(CHANGES * outcome.scale))
    with stage(Plan(seed=outcome.seed, count=round(wanted * APART * RATE * 2), rate=RATE)) as opened:
        for number in range(wanted):
            before = _published(opened)
            change_rules(opened, number)
            opened.run_for(opened.random.uniform(0.0, 5.0))
            kill_some(opened)
            opened.run_for(opened.random.uniform(0.3, 0.7) * APART)
            _until_published(opened, before)
            outcome.rounds += 1
        opened.settle()
        expected = judge(outcome, opened)
    ruling = {flag["policy"] for flag in expected.flags.values()}
    outcome.notes.append(f"{len(expected.policies)} valid policies, {len(ruling)} of them ruled a flag")
    if len(expected.policies) < wanted:
        outcome.failures.append(f"only {len(expected.policies)} valid policies for {wanted} changes of the rules file")


def _until_published(opened: Stage, before: int) -> None:
    opened.run_until(lambda: _published(opened) > before, "a change of the rules to be published", PUBLISHED_WITHIN)


def _published(opened: Stage) -> int:
    """Policies on the log, valid or not."""
    return opened.road.log.bounds(POLICIES, 0)[1]


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
        plan = Plan(
            seed=outcome.seed, count=round((wanted + 2) * 45 * RATE), rate=RATE, members=MEMBERS, settings=wrong
        )
        with stage(plan) as opened:
            for number in range(wanted):
                jump = JUMPS[number % len(JUMPS)]
                clock.write_text(jump)
                opened.run_for(opened.random.uniform(*JUMP_SECONDS))
                if not wrong_by(opened, timedelta(seconds=int(jump))):
                    outcome.failures.append(f"round {number}: no consumer's clock was wrong by {jump} s")
                outcome.rounds += 1
            opened.settle()
            judge(outcome, opened)


def wrong_by(opened: Stage, jump: timedelta) -> list[str]:
    """Consumers whose last heartbeat says that their clock is wrong by about so much."""
    pids = {opened.fleet.members[name].pid: name for name in opened.fleet.awake()}
    shifted = datetime.now(UTC) + jump
    beats = [beat for beat in opened.road.store.heartbeats() if abs(beat.at - shifted) < NEAR]
    return [pids[pid] for beat in beats if (pid := int(beat.process.rpartition(":")[2])) in pids]


def _library(folder: Path) -> Path:
    built = folder / "wrong_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(built), str(SOURCE), "-ldl"], check=True)
    return built
