"""The policies that rule, read from the log in time: before a batch is decided, and at most five seconds after the last look."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from fraud.engine import Scorer
from fraud.timeline import PolicyTimeline
from storage.logs.log import Log
from storage.policies import read_timeline

log = structlog.get_logger()

LOOK_EVERY = 5.0
"""Seconds (monotonic). Half the shortest delay after which a policy takes effect, so no look comes too late."""


class Scorers(Mapping[str, Scorer]):
    """Models by id, loaded when a payment first needs one. A missing one raises ModelError: nothing is decided without it."""

    def __init__(self, load: Callable[[str], Scorer]) -> None:
        """`load` finds a model by id."""
        self._load = load
        self._loaded: dict[str, Scorer] = {}

    def __getitem__(self, model_id: str) -> Scorer:
        """One model."""
        if model_id not in self._loaded:
            self._loaded[model_id] = self._load(model_id)
        return self._loaded[model_id]

    def __iter__(self) -> Iterator[str]:
        """Ids of the models loaded so far."""
        return iter(self._loaded)

    def __len__(self) -> int:
        """How many are loaded."""
        return len(self._loaded)


@dataclass(slots=True, kw_only=True)
class PolicyReader:
    """Follows topic `policies` into a timeline."""

    source: Log
    scorers: Scorers
    monotonic: Callable[[], float]
    timeline: PolicyTimeline = field(default_factory=PolicyTimeline)
    _looked_at: float | None = None
    _newest: int = 0

    def look(self, newest: int = 0) -> None:
        """Read to the end of the topic unless that was done just now. An embedded log is read every time: its clock may run fast.

        `newest` is the latest append time polled (microseconds): where the log's clock moved on further than ours, this process
        was frozen, and looks.

        Raises PolicyError when the topic lost its beginning.
        """
        now = self.monotonic()
        recently = self._looked_at is not None and now - self._looked_at < LOOK_EVERY
        recently = recently and newest - self._newest < LOOK_EVERY * 1e6
        if recently and not self.source.embedded:
            return
        valid, void = len(self.timeline), len(self.timeline.voids)
        read_timeline(self.source, self.timeline)
        self._looked_at, self._newest = now, max(newest, self._newest)  # only now: a look that failed is none
        for policy in self.timeline.policies[valid:]:
            log.info("policy_read", policy=policy.hash[:12], model=policy.model, rules=len(policy.rules.rules))
        for one in self.timeline.voids[void:]:
            log.warning("policy_void", offset=one.offset, reason=one.reason)
