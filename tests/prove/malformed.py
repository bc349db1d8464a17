"""The row of broken messages: each becomes a dead letter with a reason or is decided after all, and none ends the process."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from random import Random

import msgspec

from cli.rules_file import read_rules
from consumer.deciding import Decider
from consumer.partition_state import PartitionState
from consumer.restoring import polled_of
from fraud.decision import micros
from fraud.policy import Policy, encode
from fraud.schema import Transaction
from fraud.timeline import PolicyTimeline
from producer.malformed import BREAKERS
from storage.logs.log import Record
from tests.fraud.test_malformed_input import MALFORMED
from tests.prove.outcome import Outcome
from tests.prove.payments import Traffic
from tests.prove.stage import RULES

COUNT = 1_000_000
CHUNK = 5_000
UNTIL = datetime(2026, 3, 3, tzinfo=UTC)
ID = b'"t-one"'
"""Of the payment that is broken by bytes; one of its own makes a message that is still a payment a new one, which is decided."""
BEFORE = timedelta(hours=1)
"""So long before the messages the policy was published."""


def malformed(outcome: Outcome) -> None:
    """A million broken messages of every kind that the tests and the producer know, read and decided as a consumer does."""
    messages = max(1_000, round(COUNT * outcome.scale))
    values, reasons, decider = islice(_broken(Random(outcome.seed), outcome.seed), messages), Counter[str](), _decider()
    fates = Counter[str]()
    while chunk := list(islice(values, CHUNK)):
        begin, at = decider.states[0].next_offset, micros(UNTIL)
        answer = decider.decide(polled_of([Record(0, begin + row, at, None, value) for row, value in enumerate(chunk)]))
        reasons.update(letter.reason.value for letter in answer.dead if letter.detail)
        fates.update(decided=answer.decided, duplicates=answer.duplicates, flags=len(answer.flags))
        fates["without a policy"] += answer.before_policy
    outcome.rounds = outcome.events = messages
    outcome.flags = fates["flags"]
    outcome.lost = messages - fates["decided"] - fates["duplicates"] - reasons.total()
    outcome.notes.append(f"payments after all: {dict(fates)}; dead letters: {dict(reasons.most_common())}")
    if fates["without a policy"] or not fates["flags"]:
        outcome.failures.append("no policy decided the messages that are payments")


def _decider() -> Decider:
    """A consumer's, of one partition, under a policy that flags."""
    timeline = PolicyTimeline()
    timeline.add(0, micros(UNTIL - BEFORE), encode(Policy(rules=read_rules(RULES)[0])))
    decider = Decider(log_id="malformed", group="prove", timeline=timeline, scorers={}, now=lambda: UNTIL)
    decider.states[0] = PartitionState(0)
    return decider


def _broken(random: Random, seed: int) -> Iterator[bytes]:
    """Half by bytes and tokens, half by the meaning of a field."""
    breakers = list(BREAKERS)
    whole = [json.loads(value) for _, value in Traffic(seed=seed, count=2_000, until=UNTIL, malformed=0.0).messages()]
    payments = [msgspec.convert(fields, Transaction) for fields in whole if "loyalty" not in fields]
    for number in count():
        yield random.choice(MALFORMED)(random).replace(ID, b'"t-%d"' % number)
        yield random.choice(breakers)(random.choice(payments), random)
