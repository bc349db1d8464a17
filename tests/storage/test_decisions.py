"""A decision as a row: the payment whole, what ruled, what fired, what was scored, and every feature."""

from typing import Any

import numpy as np
import pytest

from fraud.columns import Columns, Ints
from fraud.engine import Decisions, Engine
from fraud.features import FEATURES
from fraud.policy import Policy
from fraud.rule_file import rule_set_of
from storage.arrow_rows import batch_of_table
from storage.decisions import COMPUTED, SCHEMA, picked, rows_of
from tests.builders import batch_of, transaction

RULES = """
version: 1
default_currency: EUR
score: {low: 50 %}
rules:
  - {id: large, kind: high_amount, limit: {EUR: 100}, severity: medium}
  - {id: small, kind: expression, condition: amount < 20, severity: low, mode: shadow}
  - {id: online, kind: expression, condition: is_online, severity: high}
  - {id: silent, kind: expression, condition: amount > 0, mode: "off"}
"""
PAYMENTS = (
    transaction(transaction_id="quiet", amount=50.0, currency="EUR", country="BE", latitude=50.5, longitude=4.5),
    transaction(transaction_id="large", amount=150.0, channel="online", after=1),
    transaction(transaction_id="small", amount=5.0, after=2),
    transaction(transaction_id="small", amount=5.0, after=2),
    transaction(transaction_id="scored", amount=51.0, after=3),
)
BATCH = batch_of(*PAYMENTS, first_offset=70, partition=2)


class HalfSure:
    """A model that is sure of one payment."""

    model_id: str = "m"
    features: tuple[str, ...] = ("amount",)

    def score(self, columns: Columns) -> Ints:
        return np.where(columns.number("amount").values == 51.0, 600_000, 100_000).astype(np.int64)


def decided(policy: bool = True) -> Decisions:
    ruled = Policy(rules=rule_set_of(RULES, "rules.yaml"), model="m") if policy else None
    return Engine().decide(BATCH, ruled, {"m": HalfSure()})


def rows(decisions: Decisions) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows_of(decisions, np.ones(len(BATCH), np.bool_)).to_pylist()
    return found


def column(name: str, decisions: Decisions | None = None) -> list[Any]:
    return [row[name] for row in rows(decided() if decisions is None else decisions)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("offset", [70, 71, 72, 73, 74]),
        ("status", ["decided", "decided", "decided", "duplicate", "decided"]),
        ("severity", [None, "high", None, None, "low"]),
        ("flagged", [False, True, False, False, True]),
        ("score", [100_000, 100_000, 100_000, None, 600_000]),
        ("hits", [[], ["large", "online"], [], [], []]),
        ("shadow_hits", [[], [], ["small"], [], []]),
        ("currency", ["EUR", None, None, None, None]),
        ("count_5m", [0, 1, 2, None, 3]),
        ("is_online", [False, True, False, None, False]),
    ],
)
def test_a_row_says(name: str, values: list[Any]) -> None:
    assert column(name) == values


def test_before_the_first_policy_nothing_is_decided_and_features_are_kept() -> None:
    before = decided(policy=False)

    assert set(column("status", before)) == {"before_policy", "duplicate"}
    assert column("policy", before) == column("score", before) == [None] * 5
    assert column("count_5m", before) == [0, 1, 2, None, 3]


def test_every_feature_has_a_column() -> None:
    assert set(FEATURES) <= set(SCHEMA.names)
    assert len(SCHEMA.names) == len(set(SCHEMA.names))
    assert "amount" not in COMPUTED


def test_dead_letters_have_no_row() -> None:
    kept = np.array([True, False, True, False, True])

    assert rows_of(decided(), kept)["offset"].to_pylist() == [70, 72, 74]


def test_the_rows_are_the_batch_that_was_judged() -> None:
    table = rows_of(decided(), np.ones(len(BATCH), np.bool_))

    again = batch_of_table(table, "EUR")

    for name in (
        "partition",
        "offset",
        "received_at",
        "event_time",
        "user",
        "transaction",
        "payload",
        "amount",
        "marks",
    ):
        assert getattr(again, name).tolist() == getattr(BATCH, name).tolist(), name


@pytest.mark.parametrize("places", [[], [0, 1, 2, 3, 4], [1, 2, 3], [4], [0, 2, 4]])
def test_picked_rows_are_those_asked_for(places: list[int]) -> None:
    table = rows_of(decided(), np.ones(len(BATCH), np.bool_))

    assert picked(table, np.array(places, np.int64))["offset"].to_pylist() == [70 + place for place in places]
