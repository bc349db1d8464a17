"""A record of `transactions` read by hand: a payment, or the reason why it is none. Knows what proofs send, no more."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fraud.schema import Transaction
from tests.prove.naive_memory import MINUTE, Seen
from tests.prove.naive_rules import CURRENCIES, decimals

FIELDS = frozenset(Transaction.__struct_fields__)
NUMBERS = ("amount", "latitude", "longitude")
LARGEST = 64 * 1024
SKEW = 5 * MINUTE
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CARD_PRESENT = frozenset({"pos", "atm"})
NO_SPEND = frozenset({"verification", "refund", "reversal"})
NO_ATTEMPT = frozenset({"refund", "reversal"})
Fields = dict[str, Any]


class Refused(Exception):
    """A dead letter; its text is the reason."""


def fields_of(value: bytes | None, default_currency: str, received_at: int) -> Fields:
    """The fields of a valid payment. Raises Refused."""
    if not value:
        raise Refused("empty")
    if len(value) > LARGEST:
        raise Refused("oversized")
    if any(_is_card_number(run) for run in re.findall(rb"(?<!\d)\d{12,19}(?!\d)", value)):
        raise Refused("pan_detected")
    try:
        fields = json.loads(value)
    except ValueError:
        raise Refused("not_json") from None
    if not _fits(fields):
        raise Refused("schema")
    _check_money(fields, default_currency)
    if micros(fields) > received_at + SKEW:
        raise Refused("clock_skew")
    return dict(fields)


def micros(fields: Fields) -> int:
    """Event time, microseconds since the epoch."""
    return (datetime.fromisoformat(fields["event_time"]) - EPOCH) // timedelta(microseconds=1)


def seen(fields: Fields, default_currency: str) -> Seen:
    """As memory needs it."""
    kind, currency = fields.get("kind"), fields.get("currency") or default_currency
    is_approved = fields.get("outcome") != "declined"
    is_somewhere = (
        is_approved
        and fields.get("channel") in CARD_PRESENT
        and fields.get("initiated_by") != "merchant"
        and "latitude" in fields
    )
    kept = FIELDS - {"city", "merchant_name", "event_time"}
    zone = datetime.fromisoformat(fields["event_time"]).utcoffset()
    return Seen(
        time=micros(fields),
        user=fields["user_id"],
        name=fields["transaction_id"],
        content=(zone, *(fields.get(name) for name in sorted(kept))),
        minor=round(fields["amount"] * 10 ** decimals(currency)),
        currency=currency,
        is_attempt=kind not in NO_ATTEMPT,
        is_spend=is_approved and kind not in NO_SPEND,
        place=(fields["latitude"], fields["longitude"]) if is_somewhere else None,
        mcc=fields.get("mcc"),
        card=fields.get("card_token"),
    )


def _fits(fields: Any) -> bool:
    """Types and required fields."""
    if not isinstance(fields, dict) or not {"transaction_id", "user_id", "event_time", "amount"} <= fields.keys():
        return False
    known = {name: value for name, value in fields.items() if name in FIELDS}
    is_typed = all(isinstance(value, int | float if name in NUMBERS else str) for name, value in known.items())
    return is_typed and fields["amount"] >= 0 and _has_offset(fields["event_time"])


def _has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _check_money(fields: Fields, default_currency: str) -> None:
    currency = fields.get("currency")
    if currency is not None and currency not in CURRENCIES:
        raise Refused("unknown_currency")
    if round(fields["amount"], decimals(currency or default_currency)) != fields["amount"]:
        raise Refused("amount_decimals")


def _is_card_number(run: bytes) -> bool:
    """The check digit, for the one issuer whose test number proofs send."""
    digits = [int(digit) for digit in run.decode()]
    double: Callable[[int], int] = lambda digit: 2 * digit - 9 * (digit > 4)  # noqa: E731
    total = sum(double(digit) if place % 2 else digit for place, digit in enumerate(reversed(digits)))
    return run.startswith(b"4") and len(run) == 16 and total % 10 == 0
