"""Rows that break consumers: killed, frozen, joining and leaving."""

import time

from tests.prove.fleet import ARCHIVE
from tests.prove.log_lines import lines_of
from tests.prove.outcome import Outcome, judge
from tests.prove.stage import Plan, Stage, stage

RATE = 700.0
KILLS, KILL_EVENTS, KILL_RATE = 200, 1_000_000, 1_000.0
ARCHIVE_TOO = 0.2
"""Share of the kills at which the archive is killed as well."""
FREEZES = 50
SESSION = 10.0
"""Seconds after which the group gives a silent member's partitions away."""
DYNAMIC = ("one", "two", "three")
STORM_SECONDS = 300.0
EVERY = 2.0
KINDS = ("dynamic", "static")
LEAST_REBALANCES = 100
"""By dynamic members alone: a static one that comes back in time moves nothing."""
LONGEST_GAP = 60.0


def kills(outcome: Outcome) -> None:
    """SIGKILL one to three consumers at random, again and again."""
    wanted = max(1, round(KILLS * outcome.scale))
    count = round(KILL_EVENTS * outcome.scale)
    with stage(Plan(seed=outcome.seed, count=count, rate=KILL_RATE)) as opened:
        pause, idle = count / KILL_RATE / wanted * 2, 0
        while outcome.rounds < wanted:
            opened.run_for(opened.random.uniform(0.2, 1.4) * pause)
            idle += not opened.is_sending
            outcome.rounds += kill_some(opened)
            if opened.random.random() < ARCHIVE_TOO:
                opened.fleet.kill(ARCHIVE)
        opened.settle(whole=True)
        judge(outcome, opened)
    if idle:
        outcome.failures.append(f"payments had ended before {idle} kills: they broke nothing")


def freezes(outcome: Outcome) -> None:
    """SIGSTOP one or two of three consumers for half to three times the session time-out; their partitions move, and they wake up."""
    wanted = max(2, round(FREEZES * outcome.scale))
    with stage(Plan(seed=outcome.seed, count=round(30 * RATE * wanted), rate=RATE / 2, members=DYNAMIC)) as opened:
        while outcome.rounds < wanted:
            opened.run_for(opened.random.uniform(1.0, 6.0))
            outcome.rounds += freeze_some(opened)
        opened.settle()
        judge(outcome, opened)


def rebalances(outcome: Outcome) -> None:
    """Consumers join and leave every two seconds, as dynamic members, then as static ones; no partition waits a minute."""
    seconds, changes = STORM_SECONDS * outcome.scale, dict.fromkeys(KINDS, 0)
    for kind in KINDS:
        plan = Plan(seed=outcome.seed, count=round(4 * RATE * seconds) + 50_000, rate=RATE / 2, members=(f"{kind}-0",))
        with stage(plan) as opened:
            changes[kind] = storm(opened, kind, seconds)
            opened.settle()
            judge(outcome, opened)
            if opened.progress.longest_gap > LONGEST_GAP:
                outcome.failures.append(f"{kind}: a partition waited {opened.progress.longest_gap:.0f} s")
            taken_up = lines_of(opened.fleet, "partition_taken_up")
            outcome.notes.append(f"{kind}: {changes[kind]} joined or left, partitions taken up {taken_up} times")
    outcome.rounds = sum(changes.values())
    if changes["dynamic"] < LEAST_REBALANCES * outcome.scale:
        outcome.failures.append(f"only {changes['dynamic']} dynamic consumers joined or left, each a rebalance")


def kill_some(opened: Stage) -> int:
    """One to three at once; how many."""
    awake = opened.fleet.awake()
    chosen = opened.random.sample(awake, min(len(awake), opened.random.randint(1, 3)))
    for name in chosen:
        opened.kill(name)
    return len(chosen)


def freeze_some(opened: Stage) -> int:
    """One or two at once, each for its own while; how many."""
    chosen = opened.random.sample(opened.fleet.awake(), opened.random.randint(1, 2))
    whiles = sorted((opened.random.uniform(0.5, 3.0) * SESSION, name) for name in chosen)
    for name in chosen:
        opened.fleet.freeze(name)
    frozen_for = 0.0
    for seconds, name in whiles:
        opened.run_for(seconds - frozen_for)
        opened.fleet.thaw(name)
        frozen_for = seconds
    return len(chosen)


def storm(opened: Stage, kind: str, seconds: float) -> int:
    """Somebody joins or leaves every two seconds; how many did."""
    changes, deadline, pool = 0, time.monotonic() + seconds, [f"{kind}-{number}" for number in range(4)]
    while time.monotonic() < deadline:
        awake = opened.fleet.awake()
        absent = [name for name in pool if name not in opened.fleet.members]
        if len(awake) > 1 and (not absent or opened.random.random() < 0.5):
            opened.fleet.leave(opened.random.choice(awake))
            changes += 1
        elif absent:
            opened.fleet.start(opened.random.choice(absent))
            changes += 1
        opened.run_for(EVERY)
    return changes
