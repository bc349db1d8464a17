"""What the processes of a fleet wrote down of their faults: a fault that none of them met proves nothing."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.prove.fleet import Fleet

TAKEN_UP: Final = "partition_taken_up"
LOST: Final = "partition_lost"


def lines_of(fleet: Fleet, *events: str) -> int:
    """How many lines of all logs so far tell of one of these events."""
    return sum(1 for output in fleet.folder.glob("*.log") for _ in _lines(output, events))


def held(fleet: Fleet, name: str) -> frozenset[int]:
    """The partitions that a member holds by what it wrote down in this life."""
    holding: set[int] = set()
    for line in _lines(fleet.output(name), (TAKEN_UP, LOST), fleet.members[name].written_from):
        change = holding.add if line["event"] == TAKEN_UP else holding.discard
        change(line["partition"])
    return frozenset(holding)


@dataclass(slots=True)
class Met:
    """In how many rounds of each kind of fault some process wrote down that it met it."""

    fleet: Fleet
    events: tuple[str, ...]
    rounds: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def round(self, kind: str) -> Iterator[None]:
        """One fault, and what it takes to get over it."""
        before = lines_of(self.fleet, *self.events)
        yield
        self.rounds[kind] += 1
        self.met[kind] += lines_of(self.fleet, *self.events) > before

    def lines(self) -> list[str]:
        """For people."""
        said = ", ".join(f"{kind} {self.met[kind]} of {rounds}" for kind, rounds in self.rounds.items())
        return [f"rounds in which a process logged {' or '.join(self.events)}: {said}"]

    def failures(self, kinds: Collection[str], share: float) -> list[str]:
        """One where fewer than this share of these kinds' rounds, taken together, were met."""
        met, rounds = (sum(counter[kind] for kind in kinds) for counter in (self.met, self.rounds))
        return [f"only {met} of {rounds} faults were met: {', '.join(kinds)}"] if met < share * rounds else []


def _lines(output: Path, events: tuple[str, ...], start: int = 0) -> Iterator[dict[str, Any]]:
    """Lines that tell of one; not what is no JSON object, such as a line that a killed process left half."""
    with output.open(errors="replace") as lines:
        lines.seek(start)
        for line in lines:
            if not any(event in line for event in events):
                continue
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict) and told.get("event") in events:
                yield told
