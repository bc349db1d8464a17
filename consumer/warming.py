"""Made-up payments for an engine of their own: what is compiled or loaded once, at first use, is ready before real ones wait.

`python -m consumer.warming` leaves the kernels compiled in the cache, for whoever needs them next.
"""

import numpy as np

from fraud.batch import Polled
from fraud.decoding import Intake, decode
from fraud.engine import Engine
from fraud.policy import Policy
from fraud.rule_set import RuleSet
from fraud.windows import Windows
from storage.logs.log import TRANSACTIONS

PAYMENTS = (
    b'{"transaction_id": "one", "user_id": "nobody", "event_time": "2024-03-01T12:00:00Z", "amount": 1, "channel": "pos"}',
    b'{"transaction_id": "two", "user_id": "nobody", "event_time": "2024-03-01T12:01:00Z", "amount": 1, "channel": "pos"}',
)
RECEIVED_AT = 1_709_294_520_000_000


def warm_up() -> None:
    """Decide them and forget them. The kernels take a second to load, and half a minute to compile where no cache is kept."""
    rules = RuleSet(version=1, default_currency="EUR", rules=())
    polled = Polled(
        partition=np.zeros(len(PAYMENTS), np.int64),
        offset=np.arange(len(PAYMENTS), dtype=np.int64),
        received_at=np.full(len(PAYMENTS), RECEIVED_AT, np.int64),
        values=PAYMENTS,
    )
    decoded = decode(polled, Intake(topic=TRANSACTIONS, default_currency=rules.default_currency))
    engine = Engine()
    engine.decide(decoded.batch, Policy(rules=rules), {})
    engine.windows(0).context(decoded.batch, 1, RECEIVED_AT, 1)
    Windows().restore(engine.windows(0).remembered())


if __name__ == "__main__":
    warm_up()
