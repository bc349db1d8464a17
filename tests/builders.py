"""Small builders: state only what matters to the test."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from fraud.batch import Batch
from fraud.decision import micros
from fraud.schema import Authentication, Channel, EntryMode, Initiator, Kind, Outcome, Transaction
from fraud.transaction_rows import batch_of as columns_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""


def transaction(**what_matters: Any) -> Transaction:
    """A small purchase of a user nobody knows; every field may be given. `after` seconds since NOON sets the event time."""
    after = what_matters.pop("after", 0)
    fields = {
        "transaction_id": "t-one",
        "user_id": "u-one",
        "event_time": NOON + timedelta(seconds=after),
        "amount": 10.0,
    }
    return Transaction(**{**fields, **{name: _decoded(name, value) for name, value in what_matters.items()}})


def _decoded(name: str, value: Any) -> Any:
    """A word as decoding gives it: a member of its closed set, which is told apart by identity."""
    return _WORDS[name](value) if name in _WORDS and value is not None else value


_WORDS = {
    "kind": Kind,
    "outcome": Outcome,
    "channel": Channel,
    "entry_mode": EntryMode,
    "authentication": Authentication,
    "initiated_by": Initiator,
}


def batch_of(
    *transactions: Transaction,
    first_offset: int = 0,
    partition: int = 0,
    default_currency: str = "EUR",
    received_at: Sequence[datetime] | None = None,
) -> Batch:
    """The transactions as one partition's batch, received at their event time (as its running maximum) unless told."""
    moments = [micros(at) for at in received_at] if received_at else [micros(t.event_time) for t in transactions]
    return columns_of(
        transactions,
        partition=np.full(len(transactions), partition, np.int64),
        offset=np.arange(first_offset, first_offset + len(transactions), dtype=np.int64),
        received_at=np.maximum.accumulate(np.array(moments, np.int64)) if moments else np.array([], np.int64),
        default_currency=default_currency,
    )
