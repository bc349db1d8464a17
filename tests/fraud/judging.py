"""An engine under rules of every kind and a tiny model, for tests of decisions and flags."""

import numpy as np

from fraud.columns import Columns, Ints
from fraud.decision import Flag
from fraud.engine import CERTAIN, Decisions, Engine, Scorer
from fraud.flagging import flag_of
from fraud.policy import Policy
from fraud.rule_file import rule_set_of
from fraud.schema import Transaction
from tests.builders import NOON, batch_of

BERLIN, PARIS = {"latitude": 52.52, "longitude": 13.405}, {"latitude": 48.857, "longitude": 2.352}
RULES = """
version: 1
default_currency: EUR
score: {low: 20 %, medium: 40 %, high: 70 %, critical: 90 %}
rules:
  - {id: amount, kind: high_amount, severity: medium, limit: {EUR: 100}}
  - {id: burst, kind: high_frequency, severity: high, limit: 2, window: 5m}
  - {id: night, kind: unusual_hour, between: "00:00-05:00"}
  - {id: far, kind: geo_mismatch}
  - {id: new, kind: expression, severity: critical, condition: new_device AND amount > 50}
  - {id: watched, kind: expression, severity: critical, mode: shadow, condition: amount > 10}
  - {id: silent, kind: high_amount, severity: critical, mode: "off", limit: {EUR: 0}}
"""


class AmountScorer:
    """Scores a tenth of a percent per major unit."""

    model_id = "m-1"
    features: tuple[str, ...] = ("amount",)

    def score(self, columns: Columns) -> Ints:
        return np.minimum(columns.number("amount").values * 1_000, CERTAIN).astype(np.int64)


SCORERS: dict[str, Scorer] = {"m-1": AmountScorer()}


def policy_of(rules: str = RULES, model: str | None = None) -> Policy:
    return Policy(rules=rule_set_of(rules, "rules.yaml"), model=model)


def decided(
    *stream: Transaction, rules: str = RULES, model: str | None = None, engine: Engine | None = None
) -> Decisions:
    return (engine or Engine()).decide(batch_of(*stream), policy_of(rules, model), SCORERS)


def flags_of(engine: Engine, decisions: Decisions) -> list[Flag]:
    return [
        flag_of(engine, decisions, int(row), log_id="log", group="fraud", decided_at=NOON)
        for row in np.flatnonzero(decisions.flagged)
    ]
