"""Handing over to another engine version: which partitions stand where its policy takes effect, and when all of them do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.deciding import Answer
from fraud.errors import PolicyError

PATIENCE = 10.0
"""Seconds (monotonic) by which brokers' clocks may differ: afterwards no broker takes a payment under the policy before."""


@dataclass(slots=True, kw_only=True)
class HandOver:
    """A partition that reached the other engine's policy waits for the others: what is held of them, this release alone can decide."""

    patience: float = PATIENCE
    engine: int | None = None
    """Version of the engine that goes on."""
    partitions: set[int] = field(default_factory=set)
    """Those that stand where it does."""
    since: float = 0.0
    """When the first of them got there (monotonic)."""

    def begin(self, answer: Answer, now: float) -> None:
        """These partitions got there."""
        if not self.partitions:
            self.since = now
        self.engine = answer.other_engine
        self.partitions |= answer.left

    def is_over(self, positions: Mapping[int, int], ends: Mapping[int, int], now: float) -> bool:
        """Whether the others, by their next offsets, are read to their ends, and what follows there is the other engine's as well."""
        others = positions.keys() - self.partitions
        waited = now - self.since >= self.patience
        return not others or (waited and all(positions[other] >= ends[other] for other in others))

    def error(self) -> PolicyError:
        """Why this process leaves."""
        return PolicyError(
            f"the policy that now takes effect is for engine {self.engine}; everything before it is committed: "
            "start that release, it goes on from here"
        )
