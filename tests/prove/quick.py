"""The proof that is part of `make test`: a few rounds of the faults that find most, over one small stream."""

from tests.prove.named_places import PLACES, die_at
from tests.prove.outcome import Outcome, judge
from tests.prove.process_faults import kill_some, storm
from tests.prove.server_faults import break_store
from tests.prove.stage import Plan, Servers, stage

RATE = 250.0
COUNT = 60_000
"""Enough for four minutes; no more are sent than are needed."""
KILLS = 6
STORM = 12.0
FAULTS_OF_STORE = ("SIGKILL", "read-only", "frozen")


def quick(outcome: Outcome, servers: Servers | None = None, places: tuple[str, ...] = PLACES) -> None:
    """A death at each place, some kills, a store that is away, members that come and go."""
    plan = Plan(seed=outcome.seed, count=COUNT, rate=RATE, members=("static-0", "two"), servers=servers, archive=False)
    with stage(plan) as opened:
        opened.run_for(5.0)
        outcome.rounds += die_at(outcome, opened, places, 1, tries=1)
        for how in FAULTS_OF_STORE:
            break_store(opened, how)
            outcome.rounds += 1
        killed = 0
        while killed < KILLS:
            killed += kill_some(opened)
            opened.run_for(opened.random.uniform(2.0, 5.0))
        outcome.rounds += killed + storm(opened, "static", STORM)
        opened.settle()
        judge(outcome, opened)
