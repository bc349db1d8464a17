"""The row that makes consumers die at named places of the product, where random kills hardly ever hit."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from storage.failpoints import POINTS
from tests.prove.outcome import Outcome, judge
from tests.prove.stage import Plan, Stage, stage

ROUNDS = 20
RATE = 500.0
OF_ARCHIVE = frozenset({"inside_archive_file", "after_archive_file"})
"""Places that only `fraud archive` passes."""
PLACES: Final = tuple(point for point in POINTS if point not in OF_ARCHIVE)
LATEST_TIME: Final = {"in_rebalance": 1, "during_restore": 1, "inside_checkpoint": 2, "before_checkpoint_rename": 2}
"""A point is armed for one of its first so many times; eight where nothing is said."""
PATIENCE = 45.0
"""Seconds within which an armed process must have died by itself."""
TRIES = 3


@dataclass(slots=True)
class Deaths:
    """Which places are still to be died at, and where everybody is armed."""

    opened: Stage
    waiting: list[str]
    tries: int
    """Processes armed for a place in vain before it is given up."""
    counted: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    _seen: int = 0

    def arm(self, _name: str) -> str:
        """What the next process is armed with; nothing when there is no place left."""
        if not self.waiting:
            return ""
        point = self.waiting.pop()
        return f"{point}=kill@{self.opened.random.randint(1, LATEST_TIME.get(point, 8))}"

    def run(self) -> None:
        """Until each place was died at as often as asked, or could not be reached."""
        self.opened.fleet.next_failpoints = self.arm
        while self.waiting or self._armed():
            self.opened.run_for(0.2)
            self._count()
            self._give_up()
            self._wake()
        self.opened.fleet.next_failpoints = lambda _name: ""

    def _armed(self) -> list[str]:
        return [name for name, member in self.opened.fleet.members.items() if member.failpoints]

    def _count(self) -> None:
        died, self._seen = self.opened.fleet.died[self._seen :], len(self.opened.fleet.died)
        self.counted.update(_point(one.failpoints) for one in died)

    def _give_up(self) -> None:
        """Kill whoever should have died long ago; its place is tried again a few times."""
        for name in self._armed():
            member = self.opened.fleet.members[name]
            if time.monotonic() - member.started_at > PATIENCE:
                point = _point(member.failpoints)
                self.missed[point] += 1
                if self.missed[point] < self.tries:
                    self.waiting.append(point)
                self.opened.fleet.kill(name)

    def _wake(self) -> None:
        """Somebody who is not armed makes room for one who is."""
        idle = [name for name in self.opened.fleet.awake() if not self.opened.fleet.members[name].failpoints]
        if self.waiting and idle:
            self.opened.kill(idle[0])


def failpoints(outcome: Outcome) -> None:
    """Die at each named place of the consumer, many times each; every death is the process's own."""
    each = max(1, round(ROUNDS * outcome.scale))
    seconds = len(PLACES) * each * 5
    with stage(Plan(seed=outcome.seed, count=round(RATE * seconds), rate=RATE, archive=True)) as opened:
        outcome.rounds = die_at(outcome, opened, PLACES, each)
        opened.settle()
        judge(outcome, opened)


def die_at(outcome: Outcome, opened: Stage, places: tuple[str, ...], each: int, tries: int = TRIES) -> int:
    """How many deaths there were; a place that was not died at often enough is a failure."""
    waiting = list(places) * each
    opened.random.shuffle(waiting)
    deaths = Deaths(opened, waiting, tries)
    deaths.run()
    outcome.notes.append("deaths: " + ", ".join(f"{point} {deaths.counted[point]}" for point in places))
    short = [f"{point} {deaths.counted[point]} of {each}" for point in places if deaths.counted[point] < each]
    if short:
        outcome.failures.append(f"places not died at as often as asked: {', '.join(short)}")
    return deaths.counted.total()


def _point(armed: str) -> str:
    return armed.partition("=")[0]
