"""The row that breaks nothing: the same payments in other batches and on other numbers of consumers are decided byte for byte alike."""

import gc
import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from multiprocessing import active_children, get_context
from typing import Any

from cli.rules_file import read_rules
from consumer.deciding import Decider
from consumer.partition_state import PartitionState
from consumer.restoring import polled_of
from fraud.decision import micros
from fraud.policy import Policy, encode
from fraud.rule_set import RuleSet
from fraud.timeline import PolicyTimeline
from storage.flags.flag_store import Minute
from storage.logs.log import Record
from storage.logs.partitioning import Partitioner
from tests.prove.comparing import compare
from tests.prove.holding import as_told, in_its_words
from tests.prove.naive_memory import Memory
from tests.prove.naive_rules import rulings
from tests.prove.oracle import Oracle
from tests.prove.outcome import Outcome, weigh
from tests.prove.payments import Traffic
from tests.prove.stage import PARTITIONS, RULES
from tests.services.server import die_with_parent

LARGE, SMALL = 10_000_000, 300_000
SEEDS = 3
SPAN = timedelta(hours=1)
"""Of append times."""
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
CHUNK = 50_000
OBJECTS = 500_000
"""New objects after which the garbage collector looks: there are no cycles, and looking through the polls in memory costs a tenth."""
SHARES = {1: (frozenset(range(PARTITIONS)),), 3: (frozenset({0}), frozenset({1}), frozenset({2, 3}))}
"""Partitions of each of so many consumers."""


def offline(outcome: Outcome) -> None:
    """Ten million payments in batches of 500 and 50,000, 300,000 in batches of 1 and 7, three seeds, one consumer and three."""
    large, small = (max(5_000, round(count * outcome.scale)) for count in (LARGE, SMALL))
    seeds = range(outcome.seed, outcome.seed + SEEDS)
    jobs = [Job(seed, large, ((500, 1), (50_000, 3)), False) for seed in seeds]  # the longest first
    jobs += [Job(seed, small, ((1, 1), (7, 3), (50_000, 1)), True) for seed in seeds]
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=die_with_parent) as pool:
        try:
            for found in pool.map(come_to, jobs):
                _add(outcome, found)
        except BaseException:
            for worker in active_children():
                worker.kill()
            raise


@dataclass(frozen=True, slots=True)
class Job:
    """One log and the ways to cut it: what a process does on its own."""

    seed: int
    count: int
    cuts: Sequence[tuple[int, int]]
    """Size of a batch, number of consumers."""
    before_oracle: bool
    """Whether the first cut is held against the oracle as well."""


def come_to(job: Job) -> Outcome:
    """What one job comes to."""
    gc.collect()  # what the job before left
    gc.set_threshold(OBJECTS)
    outcome, cuts = Outcome(row="offline", seed=job.seed, scale=1.0), [Cut(*cut) for cut in job.cuts]
    cuts[0].keeps = job.before_oracle
    _alike(outcome, job.seed, job.count, cuts)
    if job.before_oracle:
        _as_expected(outcome, job.seed, job.count, cuts[0])
    return outcome


def _add(outcome: Outcome, found: Outcome) -> None:
    outcome.rounds += found.rounds
    outcome.events += found.events
    outcome.flags += found.flags
    outcome.lost += found.lost
    outcome.extra += found.extra
    outcome.different += found.different
    outcome.notes += found.notes
    outcome.failures += found.failures


@dataclass(slots=True)
class Cut:
    """One way to cut the log into polls, over one or three consumers; what it comes to."""

    size: int
    consumers: int
    flags: dict[str, str] = field(default_factory=dict)
    """sha256 of each flag as it is published; the first of an id stays, as in a store."""
    minutes: dict[str, str] = field(default_factory=dict)
    keeps: bool = False
    """Whether it keeps the flags themselves as well."""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Flags by id, as a store holds them."""
    _deciders: list[Decider] = field(default_factory=list)
    _waiting: list[list[Record]] = field(default_factory=list)

    def begin(self, timeline: PolicyTimeline) -> None:
        """Consumers with nothing remembered."""
        for partitions in SHARES[self.consumers]:
            decider = Decider(log_id="offline", group="prove", timeline=timeline, scorers={}, now=lambda: UNTIL)
            decider.states.update({partition: PartitionState(0) for partition in partitions})
            self._deciders.append(decider)
            self._waiting.append([])

    def take(self, records: Sequence[Record]) -> None:
        """Poll each consumer as often as its share of the records fills a batch."""
        for decider, waiting in zip(self._deciders, self._waiting, strict=True):
            waiting += [record for record in records if record.partition in decider.states]
            whole = len(waiting) // self.size * self.size
            for start in range(0, whole, self.size):
                self._decide(decider, waiting[start : start + self.size])
            del waiting[:whole]

    def end(self) -> None:
        """What is left, however little."""
        for decider, waiting in zip(self._deciders, self._waiting, strict=True):
            if waiting:
                self._decide(decider, waiting)

    @property
    def digest(self) -> str:
        """sha256 over flags and minutes in order."""
        both = sorted(self.flags.items()), sorted(self.minutes.items())
        return hashlib.sha256(repr(both).encode()).hexdigest()

    def __str__(self) -> str:
        return f"batches of {self.size:,} on {self.consumers}"

    def _decide(self, decider: Decider, records: Sequence[Record]) -> None:
        answer = decider.decide(polled_of(records))
        for flag in answer.flags:
            self.flags.setdefault(flag.flag.id, hashlib.sha256(flag.json).hexdigest())
            if self.keeps:
                self.documents.setdefault(flag.flag.id, flag.document)
        for minute in answer.minutes:
            self.minutes[f"{minute.partition}@{minute.minute.isoformat()}"] = repr(_in_order(minute))


def policies() -> PolicyTimeline:
    """One after the first minutes, a stricter one half-way."""
    timeline = PolicyTimeline()
    for offset, appended_at, value in _policy_records():
        timeline.add(offset, appended_at, value)
    return timeline


def log_of(traffic: Traffic) -> Iterator[Record]:
    """Records as a log would hold them, appended over an hour."""
    partitioner, offsets = Partitioner(), [0] * PARTITIONS
    since, step = micros(UNTIL), SPAN / timedelta(milliseconds=1) / traffic.count
    for number, (key, value) in enumerate(traffic.messages()):
        partition = partitioner.partition(key, PARTITIONS)
        yield Record(partition, offsets[partition], since + int(number * step) * 1_000, key, value)
        offsets[partition] += 1


def _alike(outcome: Outcome, seed: int, count: int, cuts: Sequence[Cut]) -> None:
    """Decide the same payments under every cut."""
    for cut in cuts:
        cut.begin(policies())
    records = log_of(Traffic(seed=seed, count=count, until=UNTIL))
    while chunk := list(islice(records, CHUNK)):
        for cut in cuts:
            cut.take(chunk)
    for cut in cuts:
        cut.end()
    outcome.rounds += len(cuts)
    outcome.events += count * len(cuts)
    outcome.flags += len(cuts[0].flags)
    for cut in cuts[1:]:
        outcome.different += sum(cut.flags.get(name) != digest for name, digest in cuts[0].flags.items())
        outcome.extra += len(cut.flags.keys() - cuts[0].flags.keys())
    digests = {cut.digest for cut in cuts}
    said = f"seed {seed}, {count:,} payments, {len(cuts[0].flags):,} flags, {', '.join(map(str, cuts))}"
    if len(digests) == 1:
        outcome.notes.append(f"{said}: {digests.pop()[:16]}")
    else:
        outcome.failures.append(f"{said}: not byte-identical")


def _as_expected(outcome: Outcome, seed: int, count: int, cut: Cut) -> None:
    """The same small log before the oracle: the very flags, in every field that it knows."""
    oracle, memories, clocks = (
        Oracle(rulings(_policy_records())),
        [Memory() for _ in range(PARTITIONS)],
        [0] * PARTITIONS,
    )
    for record in log_of(Traffic(seed=seed, count=count, until=UNTIL)):
        clocks[record.partition] = max(clocks[record.partition], record.received_at)
        oracle.decide(record, clocks[record.partition], memories[record.partition])
    expected = as_told(json.loads(json.dumps(oracle.flags)))
    found = {name: in_its_words(flag) for name, flag in cut.documents.items()}
    weigh(outcome, [compare(f"seed {seed}, flags before the oracle", expected, found)])


def _in_order(minute: Minute) -> Minute:
    """The same, its two tables by key: they have no order of their own."""
    return replace(minute, dead=dict(sorted(minute.dead.items())), spend=dict(sorted(minute.spend.items())))


def _policy_records() -> Iterator[tuple[int, int, bytes]]:
    rules = read_rules(RULES)[0]
    stricter = RuleSet.model_validate(rules.model_dump(mode="json") | {"rules": _stricter(rules)})
    yield 0, micros(UNTIL + SPAN / 20), encode(Policy(rules=rules))
    yield 1, micros(UNTIL + SPAN / 2), encode(Policy(rules=stricter, based_on=0))


def _stricter(rules: RuleSet) -> list[object]:
    return [
        rule | {"limit": {"EUR": 900, "JPY": 140_000}} if rule["id"] == "high-amount" else rule
        for rule in rules.model_dump(mode="json")["rules"]
    ]
