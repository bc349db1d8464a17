"""What a scenario is. A new one is a new file here and a line in `catalogue.py`.

An attack adds payments that the user did not make: first `steps` says when, for many stolen cards at once, then `fill` says
what. The two are apart so that a span of time can be searched without deciding what is paid outside it. A hard negative
changes payments that the user did make, so that they look suspicious and are not.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fraud.columns import Bools, Floats, Ints
from producer.compromises import Compromises
from producer.drafts import Drafts
from producer.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """n fraudulent payments as when and whose; every column has length n."""

    row: Ints
    """Which compromise."""
    number: Ints
    """Counts from 0 within a compromise."""
    at: Ints
    """Microseconds since the epoch, UTC. Those after the report are left out by the caller."""


class Attack(Protocol):
    """A way to steal."""

    name: str
    share: float
    """Of all compromises, before scaling."""
    payments: float
    """Of one compromise on average, before its report: measured, so that the fraud share comes out as asked."""

    def steps(self, compromises: Compromises, world: World) -> Steps:
        """When the thief tries to pay."""
        ...

    def fill(self, compromises: Compromises, numbers: Ints, drafts: Drafts, world: World) -> None:
        """What the thief does: row i of `drafts` is step `numbers[i]` of `compromises` row i. Changed in place."""
        ...


class HardNegative(Protocol):
    """An honest payment that looks like fraud."""

    name: str

    def apply(self, drafts: Drafts, world: World) -> Bools:
        """Change ordinary payments in place; the answer says which ones are of this kind."""
        ...


def outing(compromises: Compromises, world: World, count: Ints, *, middle: float, spread: float) -> Steps:
    """`count[i]` payments of compromise i, log-normal gaps apart: `middle` (microseconds) is their median."""
    row, number = unfolded(count)
    gap = middle * np.exp(spread * world.draws.normal("gap", compromises.key[row] + number.astype(np.uint64)))
    return Steps(row=row, number=number, at=times(compromises.started_at, count, gap))


def unfolded(count: Ints) -> tuple[Ints, Ints]:
    """`count[i]` steps for compromise i: its row for every step, and the step's number."""
    row = np.repeat(np.arange(len(count)), count)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)


def times(started_at: Ints, count: Ints, gaps: Floats) -> Ints:
    """Moments of unfolded steps: the first at the start, each later one its gap (microseconds) after the one before."""
    row, number = unfolded(count)
    waited = np.cumsum(np.where(number == 0, 0.0, gaps))
    first = np.cumsum(count) - count
    since = waited - waited[np.minimum(first, max(len(row) - 1, 0))][row]
    return np.asarray(started_at[row] + since.astype(np.int64))
