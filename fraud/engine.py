"""The engine: windows, features, rules and model over a batch. The stream, the backtest and training run this same code.

What is decided depends only on the partition's log: never on batch cuts, clocks, memory pressure, other partitions or which
process did it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fraud.batch import Batch, Mark
from fraud.columns import Bools, Columns, Ints
from fraud.decision import Mode
from fraud.features import Features
from fraud.hits import Hits
from fraud.policy import Policy
from fraud.rules import AnyRule
from fraud.window_columns import CONFLICT, DECIDED, DUPLICATE, INCOMPLETE, NOTES, REUSED, STATUS
from fraud.windows import NO_MOVING, Windows, new_outputs

CERTAIN = 1_000_000
"""A score of 1, in micro-units."""


class Scorer(Protocol):
    """A loaded model: the same scores whatever the batch cut."""

    model_id: str
    features: tuple[str, ...]

    def score(self, columns: Columns) -> Ints:
        """Micro-units, 0 to 1,000,000, shape (n,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What was decided about each of n payments."""

    batch: Batch
    features: Features
    newest: Ints
    """W, the partition's newest event time, as each payment found it."""
    policy: Policy | None
    """What ruled the whole batch; None before the first policy: nothing is decided, memory is built."""
    scores: Ints | None
    """Micro-units; None where the policy names no model."""
    hits: tuple[tuple[AnyRule, Hits], ...]
    """Every rule that is not off, with its answer."""
    severity: Ints
    """Of `Severity`, 0 where no flag, shape (n,)."""

    @property
    def duplicates(self) -> Bools:
        """Redelivered payments: not decided again."""
        mask: Bools = self._status == DUPLICATE
        return mask

    @property
    def conflicts(self) -> Bools:
        """Another payload under an id and event time already seen: dead letters."""
        mask: Bools = self._status == CONFLICT
        return mask

    @property
    def decided(self) -> Bools:
        """Payments judged under the policy."""
        mask: Bools = (self._status == DECIDED) & (self.policy is not None)
        return mask

    @property
    def incomplete(self) -> Bools:
        """Payments whose windows reach past what was kept."""
        mask: Bools = (self.features.said(NOTES) & INCOMPLETE) != 0
        return mask

    @property
    def reused(self) -> Bools:
        """Payments whose id was used before at another event time."""
        mask: Bools = (self.features.said(NOTES) & REUSED) != 0
        return mask

    @property
    def without_limit(self) -> Bools:
        """Decided payments in a currency that a rule has no limit for."""
        without = np.zeros(len(self.batch), np.bool_)
        for _, answer in self.hits:
            if answer.without_limit is not None:
                without |= answer.without_limit
        return without & self.decided

    @property
    def flagged(self) -> Bools:
        """Payments that people should see."""
        mask: Bools = self.severity > 0
        return mask

    @property
    def _status(self) -> Ints:
        return self.features.said(STATUS)


@dataclass(slots=True)
class Engine:
    """Memory of the partitions it was given, and the judgement of every batch."""

    threads: int = 1
    windows_by_partition: dict[int, Windows] = field(default_factory=dict)

    def windows(self, partition: int) -> Windows:
        """Memory of one partition, empty when it is new."""
        windows = self.windows_by_partition.get(partition)
        if windows is None:
            windows = self.windows_by_partition[partition] = Windows(shards=self.threads)
        return windows

    def forget(self, partition: int) -> None:
        """Drop the memory of a partition that went to somebody else."""
        self.windows_by_partition.pop(partition, None)

    def decide(self, batch: Batch, policy: Policy | None, scorers: Mapping[str, Scorer]) -> Decisions:
        """Remember a batch and judge it under one policy. KeyError for a model that `scorers` does not hold."""
        features, newest = self._remember(batch, policy)
        if policy is None:
            nothing = np.zeros(len(batch), np.int64)
            return Decisions(
                batch=batch, features=features, newest=newest, policy=None, scores=None, hits=(), severity=nothing
            )
        scores = None if policy.model is None else scorers[policy.model].score(features)
        hits = tuple((rule, rule.check(batch, features)) for rule in policy.rules.judging)
        severity = np.maximum(_severity_of_hits(len(batch), hits), _severity_of_scores(batch, policy, scores))
        return Decisions(
            batch=batch,
            features=features,
            newest=newest,
            policy=policy,
            scores=scores,
            hits=hits,
            severity=np.where(features.said(STATUS) == DECIDED, severity, 0),
        )

    def remember(self, batch: Batch) -> None:
        """Take a batch into memory without judging it; no context can be asked for afterwards."""
        for windows in self.windows_by_partition.values():
            windows.keep_evicted = False
        self._remember(batch, None)
        for windows in self.windows_by_partition.values():
            windows.keep_evicted = True

    def _remember(self, batch: Batch, policy: Policy | None) -> tuple[Features, Ints]:
        out, newest = new_outputs(len(batch)), np.zeros(len(batch), np.int64)
        moving = NO_MOVING if policy is None else policy.rules.moving  # memory itself does not depend on it
        for partition in np.unique(batch.partition).tolist():
            rows = np.flatnonzero(batch.partition == partition)
            self.windows(partition).advance(batch, rows, out, newest, moving)
        return Features(batch, out), newest


def _severity_of_hits(rows: int, hits: tuple[tuple[AnyRule, Hits], ...]) -> Ints:
    """The highest severity of the live hits, 0 where none."""
    severity = np.zeros(rows, np.int64)
    for rule, answer in hits:
        if rule.mode is Mode.LIVE:
            severity[answer.mask] = np.maximum(severity[answer.mask], int(rule.severity))
    return severity


def _severity_of_scores(batch: Batch, policy: Policy, scores: Ints | None) -> Ints:
    """The band of an attempt's score, 0 below the lowest."""
    if scores is None:
        return np.zeros(len(batch), np.int64)
    return np.where(batch.has(Mark.ATTEMPT), policy.rules.score.severities(scores), 0)
