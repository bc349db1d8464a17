"""Rows that break what consumers stand on: the store and the broker."""

from collections.abc import Callable
from typing import Final

from tests.prove.log_lines import Met
from tests.prove.outcome import Outcome, judge
from tests.prove.proxy import Way
from tests.prove.stage import Plan, Stage, stage

RATE = 500.0
STORE_ROUNDS, BROKER_ROUNDS = 50, 30
CAUGHT_UP_WITHIN = 60.0
SHORT, LONG = (2.0, 8.0), (12.0, 18.0)
"""Seconds that a fault lasts."""
SECONDS_BEHIND = 2
"""A lag of so many seconds of payments is caught up."""


def store(outcome: Outcome) -> None:
    """The store is killed, frozen, slow, or answers writes as a demoted primary; no consumer exits, all catch up within a minute."""
    wanted = max(len(TURNS), round(STORE_ROUNDS * outcome.scale))
    with stage(Plan(seed=outcome.seed, count=round(30 * RATE * wanted), rate=RATE)) as opened:
        slowest, met = 0.0, Met(opened.fleet, ("store_down",))
        for number in range(wanted):
            how = TURNS[number % len(TURNS)]
            opened.run_for(opened.random.uniform(1.0, 2.5))
            with met.round(how):
                break_store(opened, how)
                slowest = max(slowest, opened.catch_up(CAUGHT_UP_WITHIN, round(SECONDS_BEHIND * RATE)))
            outcome.rounds += 1
        outcome.notes.append(
            f"slowest catching up {slowest:.1f} s; read-only and slow are simulated by a proxy before the store"
        )
        opened.settle()
        judge(outcome, opened)
        outcome.notes += met.lines()
        outcome.failures += met.failures(LONG_WAYS, SHARE_MET)


def break_store(opened: Stage, how: str) -> None:
    """One fault, over when this returns."""
    WAYS[how](opened, opened.random.uniform(*(LONG if how in LONG_WAYS else SHORT)))


def broker(outcome: Outcome) -> None:
    """SIGKILL the only broker and start it again; every acknowledged message is there, and decided once."""
    wanted = max(1, round(BROKER_ROUNDS * outcome.scale))
    with stage(Plan(seed=outcome.seed, count=round(30 * RATE * wanted), rate=RATE)) as opened:
        slowest = 0.0
        for _ in range(wanted):
            opened.run_for(opened.random.uniform(2.0, 8.0))
            opened.broker.kill()
            opened.run_for(opened.random.uniform(0.0, 3.0))
            opened.broker.start()
            slowest = max(slowest, opened.catch_up(120.0, round(SECONDS_BEHIND * RATE)))
            outcome.rounds += 1
        outcome.notes.append(f"slowest catching up {slowest:.1f} s")
        opened.settle()
        judge(outcome, opened)


def _killed(opened: Stage, seconds: float) -> None:
    opened.server.kill()
    opened.run_for(seconds)
    opened.server.start()


def _frozen(opened: Stage, seconds: float) -> None:
    with opened.server.frozen():
        opened.run_for(seconds)


def _through(way: Way) -> Callable[[Stage, float], None]:
    def broken(opened: Stage, seconds: float) -> None:
        opened.way.way = way
        opened.run_for(seconds)
        opened.way.way = Way.OPEN

    return broken


WAYS: Final[dict[str, Callable[[Stage, float], None]]] = {
    "SIGKILL": _killed,
    "frozen": _frozen,
    "slow": _through(Way.SLOW),
    "read-only": _through(Way.READ_ONLY),
    "killed for long": _killed,
    "frozen for long": _frozen,
    "too slow": _through(Way.TOO_SLOW),
    "read-only for long": _through(Way.READ_ONLY),
}
LONG_WAYS: Final = ("killed for long", "frozen for long", "too slow", "read-only for long")
"""Longer than a consumer's client waits and tries again by itself: the consumer must take the store for away."""
TURNS: Final = (
    *("killed for long", "frozen", "slow", "read-only for long"),
    *("SIGKILL", "frozen for long", "too slow", "read-only"),
)
SHARE_MET = 0.5
"""Of the long rounds, in how many a consumer must have taken the store for away."""
