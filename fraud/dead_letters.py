"""Records that cannot be read or must be refused: kept with origin and reason, never lost, never passed on."""

from enum import StrEnum

from msgspec import Struct


class Reason(StrEnum):
    """Why a record is a dead letter; a stable name that counters and metrics use."""

    EMPTY = "empty"
    OVERSIZED = "oversized"
    NOT_JSON = "not_json"
    SCHEMA = "schema"
    PAN_DETECTED = "pan_detected"
    CLOCK_SKEW = "clock_skew"
    UNKNOWN_CURRENCY = "unknown_currency"
    AMOUNT_DECIMALS = "amount_decimals"
    AMOUNT_RANGE = "amount_range"
    ID_CONFLICT = "id_conflict"
    UNENCODABLE = "unencodable"


class DeadLetter(Struct, frozen=True, kw_only=True):
    """One refused record with its origin; on topic `transactions.dlq` at least once, recognisable by topic-partition-offset."""

    topic: str
    partition: int
    offset: int
    received_at: int
    """Microseconds since the epoch."""
    reason: Reason
    detail: str
    """One line for people; never holds card data."""
    payload: str
    """The record's bytes as base64, or masked text where `masked`; at most `MAX_PAYLOAD` characters."""
    masked: bool = False
    """A masked payload cannot be replayed."""
    truncated: bool = False


MAX_PAYLOAD = 128 * 1024
"""Characters of payload kept: no dead letter may exceed the log's own message limit."""
