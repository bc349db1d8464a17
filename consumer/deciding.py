"""From raw records to everything that must be stored: flags, dead letters, minute counters. Pure but for its memory.

A poll is cut where a policy takes effect; each piece is decoded and decided under the policy that its append times fix. So the
answer is the same for any poll that holds the same records.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from consumer.minutes import Tally, stored
from consumer.partition_state import PartitionState
from fraud.batch import Mark, Polled
from fraud.columns import Bools, Ints
from fraud.currencies import NO_CURRENCY
from fraud.dead_letters import DeadLetter, Reason
from fraud.decoding import Decoded, Intake, dead_letter, decode
from fraud.engine import Decisions, Engine, Scorer
from fraud.flagging import flag_of
from fraud.policy import ENGINE_VERSION, Policy
from fraud.timeline import PolicyTimeline
from storage.flags.documents import encode
from storage.flags.encoded import Encoded
from storage.flags.flag_store import Minute
from storage.logs.log import TRANSACTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The stretch of a poll that one policy rules, and what became of each record of it."""

    polled: Polled
    decoded: Decoded
    decisions: Decisions
    dead: Sequence[DeadLetter]
    """Every record of the stretch that has no decision, whatever the reason."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What one poll comes to."""

    judged: list[Judged] = field(default_factory=list)

    flags: list[Encoded] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    minutes: list[Minute] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    seen: int = 0
    decided: int = 0
    duplicates: int = 0
    before_policy: int = 0
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each rule fired on decided payments, flagged or not, by rule and mode: what a shadow rule is worth."""
    other_engine: int | None = None
    """Version of the engine whose policy rules the records that follow: this process must leave."""
    left: frozenset[int] = frozenset()
    """The partitions in which those records follow."""


@dataclass(slots=True, kw_only=True)
class Decider:
    """Decides polls of the partitions it was given, and keeps their state."""

    log_id: str
    group: str
    timeline: PolicyTimeline
    scorers: Mapping[str, Scorer]
    now: Callable[[], datetime]
    engine: Engine = field(default_factory=Engine)
    states: dict[int, PartitionState] = field(default_factory=dict)

    def decide(self, polled: Polled, *, silent: bool = False) -> Answer:
        """Decide a poll; `silent` rebuilds state and counts, and makes no flags."""
        answer = Answer()
        polled, policies = self._settled(polled, answer)
        answer.seen = len(polled)
        tallies = [
            self._decide_piece(_rows(polled, np.flatnonzero(policies == index)), int(index), answer, silent)
            for index in np.unique(policies)
        ]
        minutes: dict[tuple[int, int], Minute] = {}
        for tally in tallies:
            for partition in np.unique(tally.partition).tolist():
                for counts in self.states[partition].open_minute.take(tally.of(partition)):
                    minutes[partition, counts.minute] = stored(counts, self.log_id, self.group, partition)
        answer.minutes = list(minutes.values())
        return answer

    def remember(self, polled: Polled) -> None:
        """Rebuild memory only: no rule is asked and nothing is counted. For records whose minutes are long closed.

        What another engine's policy ruled is remembered too: that release decided it.
        """
        polled = self._on_one_clock(polled)
        policies = self.timeline.at(polled.received_at)
        for index in np.unique(policies).tolist():
            piece = _rows(polled, np.flatnonzero(policies == index))
            self.engine.remember(decode(piece, intake_under(self._policy(index))).batch)
        self._move_on(polled)

    def is_latest_ours(self) -> bool:
        """Whether the newest policy is for this engine: then another's lies behind, and not ahead."""
        return self._is_ours(len(self.timeline) - 1)

    def _settled(self, polled: Polled, answer: Answer) -> tuple[Polled, Ints]:
        """The poll by the partition's own clock, and the policy (index) of each record.

        From the first policy of another engine version on, records are left out and not passed over: the position stays before it.
        """
        polled = self._on_one_clock(polled)
        policies = self.timeline.at(polled.received_at)
        foreign = [index for index in np.unique(policies).tolist() if not self._is_ours(index)]
        if foreign:
            answer.other_engine = self.timeline.policies[foreign[0]].engine_version
            answer.left = frozenset(polled.partition[policies >= foreign[0]].tolist())
            kept = np.flatnonzero(policies < foreign[0])
            polled, policies = _rows(polled, kept), policies[kept]
        answer.next_offsets = self._move_on(polled)
        return polled, policies

    def _on_one_clock(self, polled: Polled) -> Polled:
        """Append times as their running maximum by partition."""
        received_at = polled.received_at.copy()
        for partition, rows in _by_partition(polled):
            received_at[rows] = np.maximum.accumulate(np.maximum(received_at[rows], self.states[partition].received_at))
        return replace(polled, received_at=received_at)

    def _move_on(self, polled: Polled) -> dict[int, int]:
        """Stand after these records; the next offset of each partition."""
        next_offsets: dict[int, int] = {}
        for partition, rows in _by_partition(polled):
            state = self.states[partition]
            state.received_at = int(polled.received_at[rows[-1]])
            state.next_offset = next_offsets[partition] = int(polled.offset[rows[-1]]) + 1
        return next_offsets

    def _is_ours(self, index: int) -> bool:
        return index < 0 or self.timeline.policies[index].engine_version == ENGINE_VERSION

    def _policy(self, index: int) -> Policy | None:
        return None if index < 0 else self.timeline.policies[index]

    def _decide_piece(self, polled: Polled, index: int, answer: Answer, silent: bool) -> Tally:
        """Decide the records that one policy rules, of every partition at once."""
        policy = self._policy(index)
        decoded = decode(polled, intake_under(policy))
        decisions = self.engine.decide(decoded.batch, policy, self.scorers)
        conflicts = [
            dead_letter(
                polled, int(decoded.rows[row]), TRANSACTIONS, Reason.ID_CONFLICT, "another payload under this id"
            )
            for row in np.flatnonzero(decisions.conflicts)
        ]
        flags, unencodable = self._flags(polled, decoded, decisions)
        dead = [*decoded.dead, *conflicts, *unencodable]
        answer.decided += int(decisions.decided.sum()) - len(unencodable)
        answer.duplicates += int(decisions.duplicates.sum())
        if policy is None:
            answer.before_policy += len(decoded.batch) - int(decisions.duplicates.sum()) - len(conflicts)
        if not silent:
            for rule, hits in decisions.hits:
                answer.hits[rule.id, rule.mode.value] += int((hits.mask & decisions.decided).sum())
            answer.dead += dead
            answer.flags += flags
        judged = Judged(polled=polled, decoded=decoded, decisions=decisions, dead=dead)
        answer.judged.append(judged)
        return _tally(judged)

    def _flags(self, polled: Polled, decoded: Decoded, decisions: Decisions) -> tuple[list[Encoded], list[DeadLetter]]:
        """Flags in the form that is stored and sent, and a dead letter for each that has none: its minute must count it so."""
        decided_at = self.now()
        flags: list[Encoded] = []
        unencodable: list[DeadLetter] = []
        for row in np.flatnonzero(decisions.flagged).tolist():
            flag = flag_of(self.engine, decisions, row, log_id=self.log_id, group=self.group, decided_at=decided_at)
            try:
                flags.append(encode(flag))
            except ValueError as error:
                place, why = int(decoded.rows[row]), f"no store can hold its flag: {error}"
                unencodable.append(dead_letter(polled, place, TRANSACTIONS, Reason.UNENCODABLE, why))
        return flags, unencodable


def intake_under(policy: Policy | None) -> Intake:
    """How a policy reads payments; before the first one no currency is meant where none is named."""
    if policy is None:
        return Intake(topic=TRANSACTIONS, default_currency=NO_CURRENCY)
    return Intake(
        topic=TRANSACTIONS,
        default_currency=policy.rules.default_currency,
        exempt=policy.rules.exempt,
    )


def _by_partition(polled: Polled) -> Iterator[tuple[int, Ints]]:
    for partition in np.unique(polled.partition).tolist():
        yield partition, np.flatnonzero(polled.partition == partition)


def _rows(polled: Polled, rows: Ints) -> Polled:
    return Polled(
        partition=polled.partition[rows],
        offset=polled.offset[rows],
        received_at=polled.received_at[rows],
        values=[polled.values[row] for row in rows.tolist()],
    )


def _tally(judged: Judged) -> Tally:
    """What happened to every record of a piece, back in the order of the log."""
    polled, decoded, decisions, dead = judged.polled, judged.decoded, judged.decisions, judged.dead
    reasons: list[str | None] = [None] * len(polled)
    places = zip(polled.partition.tolist(), polled.offset.tolist(), strict=True)
    row_by_place = {place: row for row, place in enumerate(places)} if dead else {}
    for letter in dead:
        reasons[row_by_place[letter.partition, letter.offset]] = letter.reason.value
    batch = decoded.batch
    alive = np.array([reasons[row] is None for row in decoded.rows.tolist()], np.bool_)
    decided = decisions.decided & alive
    remembered = decided if decisions.policy is not None else ~decisions.duplicates & ~decisions.conflicts

    def spread(values: Ints | Bools) -> Ints:
        whole = np.zeros(len(polled), np.int64)
        whole[decoded.rows] = values
        return whole

    return Tally(
        partition=polled.partition,
        offset=polled.offset,
        received_at=polled.received_at,
        counters={
            "decided": spread(decided),
            "duplicates": spread(decisions.duplicates),
            "before_policy": spread(remembered & (decisions.policy is None)),
            "flagged": spread(decisions.flagged & alive),
            "id_reused": spread(decisions.reused & remembered),
            "history_incomplete": spread(decisions.incomplete & remembered),
            "unknown_fields": spread(decoded.unknown_fields),
            "no_limit": spread(decisions.without_limit & alive),
        },
        dead=reasons,
        spend=spread(np.where(remembered & batch.has(Mark.SPEND), batch.amount, 0)),
        currency=spread(batch.currency),
    )
