"""What travels on the road in tests: payments of a small population, and rules that flag some of them."""

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from producer.payments import Payment
from producer.population import Population
from producer.publishing import Sender
from storage.logs.log import Log
from storage.policies import read_timeline
from tests.services.server import wait_until

RULES = """
version: 1
default_currency: EUR
rules:
  - {id: high-amount, kind: high_amount, limit: {EUR: 300, GBP: 300, SEK: 3000}, severity: medium}
  - {id: burst, kind: high_frequency, limit: 3, window: 1h, severity: high}
  - {id: declined, kind: expression, condition: declined_24h >= 2 AND is_online, severity: high}
  - {id: elsewhere, kind: expression, condition: new_country AND new_merchant, severity: low, mode: shadow}
"""
SINCE = datetime(2024, 3, 4, tzinfo=UTC)
POPULATION = Population(seed=7, users=500, fraud_share=0.02)
BROKEN = 0.01


def five_parts() -> list[list[Payment]]:
    """Four days of five hundred users, in order of time."""
    drawn = list(chain.from_iterable(POPULATION.payments(SINCE, SINCE + timedelta(days=4))))
    size = -(-len(drawn) // 5)
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]


def send(log: Log, payments: Sequence[Payment]) -> None:
    """Payments with broken messages between them."""
    with closing(log.publisher()) as publisher:
        sender = Sender(publisher, POPULATION, malformed=BROKEN)
        for payment in payments:
            sender.payment(payment)


def wait_for_latest_policy(log: Log) -> None:
    """Until what is sent from now on is ruled by the policy that was published last."""
    effective_from = int(read_timeline(log).effective_from[-1])
    wait_until(lambda: time.time() * 1e6 > effective_from + 100_000, "the latest policy to take effect")


def documents(log: Log, topic: str) -> list[dict[str, Any]]:
    """Everything that a topic holds."""
    found = []
    for partition in range(log.partitions(topic)):
        first, end = log.bounds(topic, partition)
        found += [msgspec.json.decode(record.value or b"") for record in log.read(topic, partition, first, end)]
    return found
