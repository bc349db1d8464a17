"""The row of broken messages: each becomes a dead letter with a reason or is a payment after all, and none ends the process."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from random import Random

import msgspec

from consumer.restoring import polled_of
from fraud.decision import micros
from fraud.decoding import Intake, decode
from fraud.schema import Transaction
from producer.malformed import BREAKERS
from storage.logs.log import TRANSACTIONS, Record
from tests.fraud.test_malformed_input import MALFORMED
from tests.prove.outcome import Outcome
from tests.prove.payments import Traffic

COUNT = 1_000_000
CHUNK = 5_000
UNTIL = datetime(2026, 3, 3, tzinfo=UTC)
INTAKE = Intake(topic=TRANSACTIONS, default_currency="EUR")


def malformed(outcome: Outcome) -> None:
    """A million broken messages of every kind that the tests and the producer know."""
    count = max(1_000, round(COUNT * outcome.scale))
    values, reasons, payments = islice(_broken(Random(outcome.seed), outcome.seed), count), Counter[str](), 0
    while chunk := list(islice(values, CHUNK)):
        at = micros(UNTIL)
        result = decode(polled_of([Record(0, place, at, None, value) for place, value in enumerate(chunk)]), INTAKE)
        reasons.update(letter.reason.value for letter in result.dead if letter.detail)
        payments += len(result.batch)
    outcome.rounds = outcome.events = count
    outcome.lost = count - payments - reasons.total()
    outcome.notes.append(f"{payments:,} were payments after all; {dict(reasons.most_common())}")


def _broken(random: Random, seed: int) -> Iterator[bytes]:
    """Half by bytes and tokens, half by the meaning of a field."""
    breakers = list(BREAKERS)
    whole = [json.loads(value) for _, value in Traffic(seed=seed, count=2_000, until=UNTIL, malformed=0.0).messages()]
    payments = [msgspec.convert(fields, Transaction) for fields in whole if "loyalty" not in fields]
    while True:
        yield random.choice(MALFORMED)(random)
        yield random.choice(breakers)(random.choice(payments), random)
