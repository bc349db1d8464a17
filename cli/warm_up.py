"""Compile the kernels once, in a process of its own: whoever needs them next finds them in the cache.

A first start on a new machine compiles for some seconds; here that happens while history is still being written.
"""

from datetime import UTC, datetime

import msgspec
import numpy as np

from fraud.batch import Polled
from fraud.decision import micros
from fraud.decoding import Intake, decode
from fraud.engine import Engine
from fraud.schema import Transaction
from fraud.windows import Windows
from storage.logs.log import TRANSACTIONS


def main() -> None:
    """Run two payments through decoding, windows, context and the canonical form."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    payments = [Transaction(transaction_id=name, user_id="u", event_time=at, amount=1.0) for name in ("a", "b")]
    polled = Polled(
        partition=np.zeros(2, np.int64),
        offset=np.arange(2),
        received_at=np.full(2, micros(at)),
        values=[msgspec.json.encode(payment) for payment in payments],
    )
    batch = decode(polled, Intake(topic=TRANSACTIONS, default_currency="EUR")).batch
    engine = Engine()
    engine.decide(batch, None, {})
    engine.windows(0).context(batch, 1, micros(at), 1)
    Windows().restore(engine.windows(0).remembered())


if __name__ == "__main__":
    main()
