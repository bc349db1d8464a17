"""The row that makes consumers die at named places of the product, where random kills hardly ever hit."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from storage.failpoints import POINTS
from tests.prove.fleet import ARCHIVE, Member
from tests.prove.outcome import Outcome, judge
from tests.prove.stage import PARTITIONS, Plan, Stage, stage

ROUNDS = 20
RATE = 500.0
LONGEST = 1_800.0
"""Seconds for which there are payments at most, where the archive's files are awaited."""
OF_ARCHIVE: Final = ("inside_archive_file", "after_archive_file")
"""Places that only `fraud archive` passes, where a file ends: every five minutes."""
LEAST_SCALE_OF_ARCHIVE = 0.5
"""A smaller row waits for no file."""
PLACES: Final = tuple(point for point in POINTS if point not in OF_ARCHIVE)
LATEST_TIME: Final = {"in_rebalance": 1, "during_restore": 1, "inside_checkpoint": 2, "before_checkpoint_rename": 2}
"""A point is armed for one of its first so many times; eight where nothing is said."""
PATIENCE = 45.0
"""Seconds within which an armed consumer must have died by itself."""
PATIENCE_WITH_ARCHIVE = 360.0
"""The same of an archive, which waits for the next file to end."""
TRIES = 3


@dataclass(slots=True)
class Deaths:
    """Which places are still to be died at, and where everybody is armed."""

    opened: Stage
    waiting: list[str]
    tries: int
    """Processes armed for a place in vain before it is given up."""
    of_archive: list[str] = field(default_factory=list)
    """What the archive is still to be armed with, the next first."""
    counted: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    _seen: int = 0

    def arm(self, name: str) -> str:
        """What the next process is armed with; nothing when there is no place left."""
        if name == ARCHIVE:
            return self.of_archive.pop(0) if self.of_archive else ""
        if not self.waiting:
            return ""
        point = self.waiting.pop()
        return f"{point}=kill@{self.opened.random.randint(1, LATEST_TIME.get(point, 8))}"

    def run(self) -> None:
        """Until each place was died at as often as asked, or could not be reached."""
        self.opened.fleet.next_failpoints = self.arm
        while self.waiting or self.of_archive or self._armed():
            self.opened.run_for(0.2)
            self._count()
            self._give_up()
            self._wake()
        self.opened.fleet.next_failpoints = lambda _name: ""

    def _armed(self) -> list[Member]:
        return [member for member in self.opened.fleet.members.values() if member.failpoints]

    def _count(self) -> None:
        died, self._seen = self.opened.fleet.died[self._seen :], len(self.opened.fleet.died)
        self.counted.update(_point(one.failpoints) for one in died)

    def _give_up(self) -> None:
        """Kill whoever should have died long ago; its place is tried again a few times."""
        for member in self._armed():
            patience = PATIENCE_WITH_ARCHIVE if member.name == ARCHIVE else PATIENCE
            if time.monotonic() - member.started_at > patience:
                self._missed(member)
                self.opened.fleet.kill(member.name)

    def _missed(self, member: Member) -> None:
        point = _point(member.failpoints)
        self.missed[point] += 1
        if self.missed[point] >= self.tries:
            return
        if member.name == ARCHIVE:
            self.of_archive.insert(0, member.failpoints)
        else:
            self.waiting.append(point)

    def _wake(self) -> None:
        """Somebody who is not armed makes room for one who is."""
        members = self.opened.fleet.members
        idle = [name for name in self.opened.fleet.awake() if not members[name].failpoints]
        if self.waiting and idle:
            self.opened.kill(idle[0])
        if self.of_archive and not members[ARCHIVE].failpoints:
            self.opened.fleet.kill(ARCHIVE)


def failpoints(outcome: Outcome) -> None:
    """Die at each named place, of the consumer and of the archive, many times each; every death is the process's own."""
    each = max(1, round(ROUNDS * outcome.scale))
    of_archive = archive_deaths(each)
    if outcome.scale < LEAST_SCALE_OF_ARCHIVE:
        of_archive = []
        outcome.notes.append(f"without {' and '.join(OF_ARCHIVE)}: from scale {LEAST_SCALE_OF_ARCHIVE} on")
    seconds = LONGEST if of_archive else len(PLACES) * each * 5
    with stage(Plan(seed=outcome.seed, count=round(RATE * seconds), rate=RATE)) as opened:
        outcome.rounds = die_at(outcome, opened, PLACES, each, of_archive=of_archive)
        opened.settle()
        judge(outcome, opened)


def archive_deaths(each: int) -> list[str]:
    """What the archive is armed with, one life after the other: so many deaths at either place, over two ends of files.

    A death inside a file leaves none, so the first end of each partition's file serves for all of those. A death after a file leaves it,
    and with nothing committed the next life goes on behind it: four deaths and no more. So the first files are
    passed and committed; from then on each life goes on where they end, and writes the second ones again.
    """
    inside, after = OF_ARCHIVE
    return [f"{inside}=kill"] * each + [f"{after}=kill@{PARTITIONS + 1}"] + [f"{after}=kill"] * (each - 1)


def die_at(
    outcome: Outcome,
    opened: Stage,
    places: tuple[str, ...],
    each: int,
    *,
    tries: int = TRIES,
    of_archive: Sequence[str] = (),
) -> int:
    """How many deaths there were; a place that was not died at often enough is a failure."""
    waiting = list(places) * each
    opened.random.shuffle(waiting)
    deaths = Deaths(opened, waiting, tries, list(of_archive))
    deaths.run()
    places += OF_ARCHIVE if of_archive else ()
    outcome.notes.append("deaths: " + ", ".join(f"{point} {deaths.counted[point]}" for point in places))
    short = [f"{point} {deaths.counted[point]} of {each}" for point in places if deaths.counted[point] < each]
    if short:
        outcome.failures.append(f"places not died at as often as asked: {', '.join(short)}")
    return deaths.counted.total()


def _point(armed: str) -> str:
    return armed.partition("=")[0]
