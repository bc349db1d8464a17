"""What a consumer says of itself: figures for the heartbeat, the metrics and `/healthz`."""

import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from consumer.deciding import Answer
from consumer.metrics import Metrics
from consumer.rebuilding import still_missing
from consumer.restoring import Restored
from fraud.decision import micros

RECENT = 1_000
"""Measurements that quantiles are taken over."""
RATE_SPAN = 10.0
"""Seconds that the rate is taken over."""


@dataclass(slots=True, kw_only=True)
class Status:
    """Counts of this process since it started, and its latest latencies."""

    metrics: Metrics
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    state: str = "starting"
    seen: int = 0
    decided: int = 0
    duplicates: int = 0
    before_policy: int = 0
    flagged: int = 0
    dead: Tally[str] = field(default_factory=Tally)
    waits_for: str | None = None
    """The part that is away: log or store."""
    paused_because: str | None = None
    warnings: Sequence[str] = ()
    """What was wrong with the log at the start, and did not keep this process from it."""
    started_at: datetime = field(init=False)
    restored: dict[int, Restored] = field(default_factory=dict)
    """How the state of each partition came back."""
    moved_at: float = 0.0
    """When records were last taken (monotonic)."""
    received_at: int = 0
    """Append time of the newest record taken, microseconds."""
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds spent by stage."""
    _latencies: dict[str, deque[float]] = field(default_factory=dict)
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Remember when this process began."""
        self.started_at = self.now()

    @contextmanager
    def timing(self, stage: str, records: int) -> Iterator[None]:
        """Measure one stage of a poll."""
        started, cpu = self.monotonic(), time.thread_time()
        yield
        took = self.monotonic() - started
        self.cpu[stage] = self.cpu.get(stage, 0.0) + time.thread_time() - cpu
        if records:
            self._note(stage, took * 1e3)
            self.metrics.seconds(stage, took)

    def took(self, answer: Answer) -> None:
        """Everything of one poll is stored, published and committed."""
        self.seen += answer.seen
        self.decided += answer.decided
        self.duplicates += answer.duplicates
        self.before_policy += answer.before_policy
        self.flagged += len(answer.flags)
        self.dead.update(letter.reason.value for letter in answer.dead)
        self.moved_at = self.monotonic()
        self._recent.append((self.moved_at, answer.seen))
        stored_at = micros(self.now())
        for flag in answer.flags:
            received_at = flag.flag.received_at
            if received_at >= self.started_at:  # what waited before there was a consumer says nothing about it
                self._note("end_to_end", (stored_at - micros(received_at)) / 1e3)
        self.metrics.took(answer)

    def gained(self, partition: int, restored: Restored) -> None:
        """A partition's state is here."""
        missing = restored.degraded
        self.metrics.degraded.labels(partition).set(0 if missing is None else missing.end - missing.start)
        self.restored[partition] = restored

    def remembers(self, newest_by_partition: Mapping[int, int]) -> None:
        """Memory has moved on to these newest event times (microseconds): what no window reaches any more is not missed."""
        for partition, newest in newest_by_partition.items():
            restored = self.restored.get(partition)
            if restored is not None and restored.degraded != still_missing(restored.degraded, newest):
                self.gained(partition, replace(restored, degraded=None))

    def lost(self, partition: int) -> None:
        """A partition went to somebody else."""
        self.restored.pop(partition, None)

    def paused(self, part: str, reason: str) -> None:
        """Nothing is decided until this part is back."""
        self.state, self.waits_for, self.paused_because = "paused", part, reason

    def resumed(self) -> None:
        """It is back."""
        self.state, self.waits_for, self.paused_because = "running", None, None

    def rate(self) -> float:
        """Payments a second over the last seconds."""
        since = self.monotonic() - RATE_SPAN
        while self._recent and self._recent[0][0] < since:
            self._recent.popleft()
        return sum(records for _, records in self._recent) / RATE_SPAN

    def facts(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {
            "rate": round(self.rate(), 1),
            "seen": self.seen,
            "decided": self.decided,
            "duplicates": self.duplicates,
            "before_policy": self.before_policy,
            "flagged": self.flagged,
            "dead": dict(self.dead),
            "decide_ms": self._quantiles("decide"),
            "store_ms": self._quantiles("store"),
            "end_to_end_ms": self._quantiles("end_to_end"),
            "degraded": [
                f"partition {partition}: {restored.degraded}"
                for partition, restored in sorted(self.restored.items())
                if restored.degraded is not None
            ],
            "paused_because": self.paused_because,
            "warnings": list(self.warnings),
        }

    def _note(self, name: str, milliseconds: float) -> None:
        self._latencies.setdefault(name, deque(maxlen=RECENT)).append(milliseconds)

    def _quantiles(self, name: str) -> dict[str, float]:
        values = self._latencies.get(name)
        if not values:
            return {}
        p50, p95, p99 = np.quantile(np.array(values), [0.5, 0.95, 0.99])
        return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "p99": round(float(p99), 2)}
