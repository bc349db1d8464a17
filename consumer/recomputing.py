"""A range of one partition decided once more, without writing anything: what could be decided, and what could not."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from consumer.asked_ranges import Gap, Range
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Answer, Decider
from consumer.rebuilding import Rebuilder
from consumer.restoring import CHUNK, LOOK_BACK, Restored, Restorer, polled_of
from fraud.batch import Polled
from fraud.columns import Ints
from fraud.decision import EPOCH, moment
from fraud.engine import Scorer
from fraud.errors import LogError, ModelError, PolicyError, StateError
from fraud.policy import ENGINE_VERSION
from fraud.timeline import PolicyTimeline
from storage.archive import Archive
from storage.logs.log import TRANSACTIONS, Log, Record

WARMING_CHUNK: Final = 1_000
"""Records taken at once while the log has not yet been read for long enough."""
NO_CHECKPOINTS: Final = CheckpointFolder(Path(os.devnull))
NO_ARCHIVE: Final = Rebuilder(Archive(os.devnull))
"""No folders, so nothing is found in them: what a consumer or an archive wrote must not vouch for itself."""


@dataclass(slots=True, kw_only=True)
class Recomputer:
    """Decides ranges again, one partition after the other, in chunks: memory of one partition is all that it keeps."""

    source: Log
    log_id: str
    group: str
    timeline: PolicyTimeline
    scorers: Mapping[str, Scorer]
    advance: Callable[[int], None] = lambda _records: None
    """Told how many more records are decided; 0 while memory is built."""
    _reasons: dict[int, str | None] = field(default_factory=dict)

    def decided(self, wanted: Range) -> Iterator[Answer | Gap]:
        """Everything of a range in its order: answers, and gaps where there can be none."""
        if not len(wanted):
            return
        decider = Decider(
            log_id=self.log_id, group=self.group, timeline=self.timeline, scorers=self.scorers, now=_never
        )
        try:
            restored = self._restored(decider, wanted)
            yield from self._pieces(decider, wanted, self._whole_from(wanted.partition, restored))
        except (LogError, ModelError, StateError) as error:
            state = decider.states.get(wanted.partition)
            start = wanted.start if state is None else max(wanted.start, state.next_offset)
            yield Gap(partition=wanted.partition, start=start, end=wanted.end, reason=str(error))

    def _restored(self, decider: Decider, wanted: Range) -> Restored:
        """Memory before the range, by the rule of a consumer that has nothing but the log."""
        restorer = Restorer(
            source=self.source,
            checkpoints=NO_CHECKPOINTS,
            decider=decider,
            rebuilder=NO_ARCHIVE,
            alive=lambda: self.advance(0),
        )
        return restorer.restore(wanted.partition, wanted.start)

    def _whole_from(self, partition: int, restored: Restored) -> int | None:
        """W, in microseconds, from which on no window reaches to before the log's beginning; None where all are whole."""
        if restored.degraded is None:
            return None
        first, _end = self.source.bounds(TRANSACTIONS, partition)
        return next(self.source.read(TRANSACTIONS, partition, first)).received_at + LOOK_BACK

    def _pieces(self, decider: Decider, wanted: Range, whole_from: int | None) -> Iterator[Answer | Gap]:
        records = self.source.read(TRANSACTIONS, wanted.partition, wanted.start, wanted.end)
        windows = decider.engine.windows(wanted.partition)
        while True:
            is_short = whole_from is not None and windows.newest < whole_from
            chunk = list(islice(records, WARMING_CHUNK if is_short else CHUNK))
            if not chunk:
                return
            if is_short and whole_from is not None:
                yield _passed_over(decider, chunk, _too_short(whole_from))
            else:
                yield from self._judged(decider, chunk)
            self.advance(len(chunk))

    def _judged(self, decider: Decider, chunk: list[Record]) -> Iterator[Answer | Gap]:
        """A chunk, cut where what hinders deciding begins or ends."""
        policies = self.timeline.at(_received_at(decider, polled_of(chunk)))
        reasons = {index: self._reason(index) for index in np.unique(policies).tolist()}
        for start, end in _runs([reasons[index] for index in policies.tolist()]):
            reason = reasons[int(policies[start])]
            if reason is None:
                yield decider.decide(polled_of(chunk[start:end]))
            else:
                yield _passed_over(decider, chunk[start:end], reason)

    def _reason(self, index: int) -> str | None:
        """Why payments under a policy (index in the timeline) cannot be decided here; None where they can."""
        if index not in self._reasons:
            self._reasons[index] = self._hindrance(index)
        return self._reasons[index]

    def _hindrance(self, index: int) -> str | None:
        if index < 0:
            return None
        policy = self.timeline.policies[index]
        if policy.engine_version != ENGINE_VERSION:
            return f"engine {policy.engine_version} ruled, this release has engine {ENGINE_VERSION}"
        try:
            if policy.model is not None:
                self.scorers[policy.model]
        except (ModelError, PolicyError) as error:
            return str(error)
        return None


def _passed_over(decider: Decider, chunk: list[Record], reason: str) -> Gap:
    """Remembered and not decided."""
    polled = polled_of(chunk)
    received_at = _received_at(decider, polled)
    decider.remember(polled)
    return Gap(
        partition=chunk[0].partition,
        start=chunk[0].offset,
        end=chunk[-1].offset + 1,
        reason=reason,
        minutes=(int(received_at[0]), int(received_at[-1])),
    )


def _received_at(decider: Decider, polled: Polled) -> Ints:
    """Append times of one partition's records as their running maximum."""
    before = decider.states[int(polled.partition[0])].received_at
    return np.maximum.accumulate(np.maximum(polled.received_at, before))


def _runs(reasons: list[str | None]) -> Iterator[tuple[int, int]]:
    """Bounds of the stretches in which nothing changes."""
    start = 0
    for place in range(1, len(reasons) + 1):
        if place == len(reasons) or reasons[place] != reasons[start]:
            yield start, place
            start = place


def _too_short(whole_from: int) -> str:
    until = moment(whole_from).astimezone(UTC)
    return f"the log does not reach back far enough for the windows of payments before {until:%Y-%m-%d %H:%M} UTC"


def _never() -> datetime:
    """`decided_at` is not compared."""
    return EPOCH
