"""The row that only takes long: memory and open files of consumers must not grow."""

import time
from pathlib import Path

import numpy as np

from tests.prove.outcome import Outcome, judge
from tests.prove.stage import Plan, Stage, stage

RATE = 1_000.0
SECONDS = 20 * 60.0
EVERY = 5.0
DAYS = 100.0
"""Of event times: what windows remember (37 days) is full after less than half of the payments, and then no longer grows."""
SETTLED = 0.5
"""Share of the time after which growth counts."""
FLAT_MB_AN_HOUR = 60.0
FLAT_FILES_AN_HOUR = 6.0


def soak(outcome: Outcome) -> None:
    """1,000 payments a second for twenty minutes; the slopes of memory and open files are shown, and must be flat."""
    seconds = SECONDS * outcome.scale
    members = ("static-1", "static-2")
    with stage(
        Plan(seed=outcome.seed, count=round(RATE * seconds * 1.1), rate=RATE, days=DAYS, members=members, archive=False)
    ) as opened:
        measured = {name: _Measured() for name in members}
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            opened.run_for(EVERY)
            for name, found in measured.items():
                found.look(opened, name)
        outcome.rounds = 1
        opened.settle()
        judge(outcome, opened)
    for name, found in measured.items():
        megabytes, files = found.slopes()
        outcome.notes.append(
            f"{name}: {found.megabytes[-1]:.0f} MB, {megabytes:+.1f} MB an hour, {files:+.1f} open files an hour"
        )
        if outcome.scale >= 1 and (megabytes > FLAT_MB_AN_HOUR or files > FLAT_FILES_AN_HOUR):
            outcome.failures.append(f"{name} grows")


class _Measured:
    """Memory and open files of one process over time."""

    def __init__(self) -> None:
        self.hours: list[float] = []
        self.megabytes: list[float] = []
        self.files: list[float] = []

    def look(self, opened: Stage, name: str) -> None:
        process = Path("/proc") / str(opened.fleet.members[name].pid)
        status = (process / "status").read_text().split("VmRSS:")[1].split()[0]
        self.hours.append(time.monotonic() / 3_600)
        self.megabytes.append(int(status) / 1_024)
        self.files.append(len(list((process / "fd").iterdir())))

    def slopes(self) -> tuple[float, float]:
        """Megabytes and open files an hour, by least squares over what came after settling."""
        start = round(len(self.hours) * SETTLED)
        hours = np.array(self.hours[start:])
        fits = [np.polyfit(hours - hours[0], np.array(values[start:]), 1)[0] for values in (self.megabytes, self.files)]
        return float(fits[0]), float(fits[1])
