"""Messages on the wire, whole and broken, and what decoding makes of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from fraud.batch import Polled
from fraud.decision import micros
from fraud.decoding import Decoded, Intake, decode
from tests.builders import NOON

CARD = "4111111111111111"
REQUIRED = {"transaction_id": "t-one", "user_id": "u-one", "event_time": "2026-03-02T12:00:00+00:00", "amount": 10.0}


def message(**fields: Any) -> bytes:
    """A payment on the wire; every field may be given, also ones that no schema knows."""
    return msgspec.json.encode(REQUIRED | fields)


def raw(more: str) -> bytes:
    """A payment with one more member as it is written."""
    return message()[:-1] + f",{more}}}".encode()


def of_length(length: int) -> bytes:
    """A payment that takes so many bytes."""
    return message(padding="x" * (length - len(message(padding=""))))


def decoded(*values: bytes | None, default_currency: str = "EUR", exempt: frozenset[str] = frozenset()) -> Decoded:
    polled = polled_at(NOON, values)
    return decode(polled, Intake(topic="transactions", default_currency=default_currency, exempt=exempt))


def polled_at(received_at: datetime, values: Sequence[bytes | None]) -> Polled:
    return Polled(
        partition=np.full(len(values), 3, np.int64),
        offset=np.arange(100, 100 + len(values)),
        received_at=np.full(len(values), micros(received_at)),
        values=values,
    )


def reason_of(value: bytes | None, **intake: Any) -> str:
    """The reason, or `payment`."""
    result = decoded(value, **intake)
    assert len(result.dead) + len(result.batch) == 1
    return result.dead[0].reason.value if result.dead else "payment"
