"""What is decided about one payment, and the flag that people see."""

import hashlib
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from msgspec import Struct

from fraud.schema import Transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Severity(IntEnum):
    """How much a flag matters. A flag's severity is the highest of its live hits and its score band."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """As files and documents write it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Severity":
        """From the word; KeyError for another."""
        return cls[word.upper()]


class Mode(StrEnum):
    """A live rule acts, a shadow rule is only recorded, an off rule is silent."""

    LIVE = "live"
    SHADOW = "shadow"
    OFF = "off"


class Hit(Struct, frozen=True, kw_only=True):
    """One firing of one rule on one transaction, with what would have passed."""

    rule: str
    """The rule's id."""
    kind: str
    mode: str
    severity: str
    reason: str
    """In words, for the analyst."""
    observed: float | None = None
    threshold: float | None = None
    passes_at: float | None = None
    """The largest (or smallest) observed value at which this rule alone would not fire; None where no single number says it."""
    counterfactual: str = ""
    """In words: "this rule alone would not fire at <= 812.00"."""


class Flag(Struct, frozen=True, kw_only=True):
    """A decision that people should see, as stored. Everything but `decided_at` and `verdict` is a function of the log."""

    id: str
    """Stored as `_id`: see `flag_id`."""
    log_id: str
    group: str
    partition: int
    offset: int
    received_at: datetime
    decided_at: datetime
    event_time: datetime
    user_id: str
    transaction: Transaction
    origin: str
    """`decision` or `sample`."""
    severity: str
    hits: tuple[Hit, ...]
    """Live and shadow hits; a shadow hit alone makes no flag."""
    score: int | None
    """Micro-units: 1,000,000 is certainty. None where the policy names no model."""
    features: dict[str, float | None]
    policy: str
    """The policy's hash."""
    history_incomplete: bool
    context: tuple[dict[str, Any], ...]
    """The user's last 64 payments before this one, oldest first, as remembered."""
    revision: int = 1
    """Version of this document's shape."""
    verdict: str | None = None
    """A copy of the latest verdict, written by the dashboard only."""


def flag_id(user_id: str, transaction_id: str, event_time: datetime) -> str:
    """First 16 bytes of sha256(user_id NUL transaction_id NUL event_time in microseconds), hex: the same on every redelivery."""
    text = f"{user_id}\0{transaction_id}\0{micros(event_time)}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16].hex()


def micros(moment: datetime) -> int:
    """Whole microseconds since the epoch of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(micros_: int) -> datetime:
    """The aware UTC datetime of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=int(micros_))
