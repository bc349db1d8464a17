"""Flags and minutes of which a test states only what matters, and how many a store counts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fraud.decision import Flag, Hit, flag_id
from fraud.schema import Transaction
from storage.flags.documents import encode
from storage.flags.flag_store import FlagFilter, FlagStore, Minute

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_hit(rule: str = "high_amount", **what_matters: Any) -> Hit:
    """A live hit of one rule."""
    fields = {"kind": "high_amount", "mode": "live", "severity": "medium", "reason": "812.00 is over 500.00"}
    numbers = {"observed": 812.0, "threshold": 500.0, "passes_at": 500.0}
    return Hit(rule=rule, **{**fields, **numbers, **what_matters})


def a_flag(number: int = 0, *, rules: Sequence[str] = ("high_amount",), **what_matters: Any) -> Flag:
    """Flag of payment `number`, by default received at NOON and made 90 s before; fields of either may be given."""
    received_at = what_matters.pop("received_at", NOON)
    event_time = what_matters.pop("event_time", received_at - timedelta(seconds=90))
    flag_fields = {name: what_matters.pop(name) for name in set(what_matters) & set(Flag.__struct_fields__)}
    user_id = flag_fields.setdefault("user_id", f"user-{number % 3}")
    fields = {"transaction_id": f"payment-{number}", "amount": 10.0, "currency": "EUR", "country": "BE", **what_matters}
    transaction = Transaction(user_id=user_id, event_time=event_time, **fields)
    made = {
        "id": flag_id(user_id, transaction.transaction_id, event_time),
        "log_id": "log-one",
        "group": "fraud",
        "partition": 0,
        "offset": number,
        "decided_at": received_at + timedelta(milliseconds=7),
        "origin": "decision",
        "severity": "medium",
        "hits": tuple(a_hit(rule) for rule in rules),
        "score": 125_000,
        "features": {"amount": transaction.amount, "kmh_since_place": None},
        "policy": "policy-hash",
        "history_incomplete": False,
        "context": ({"amount": 3.5, "merchant": "shop", "event_time": event_time - timedelta(hours=1)},),
        **flag_fields,
    }
    return Flag(received_at=received_at, event_time=event_time, transaction=transaction, **made)


def a_minute(up_to_offset: int, **what_matters: Any) -> Minute:
    """Counters of NOON's minute in partition 0, up to an offset."""
    fields: dict[str, Any] = {
        "log_id": "log-one",
        "group": "fraud",
        "partition": 0,
        "minute": NOON,
        "seen": up_to_offset + 1,
        "decided": up_to_offset,
        "duplicates": 0,
        "before_policy": 0,
        "dead": {"schema": 1},
        "flagged": 0,
        "spend": {"EUR": 1_234, "JPY": 500},
    }
    return Minute(up_to_offset=up_to_offset, **{**fields, **what_matters})


def put(store: FlagStore, flags: Sequence[Flag], minutes: Sequence[Minute]) -> list[str]:
    """Store what can be encoded; the ids of the other flags."""
    encoded, refused = [], []
    for flag in flags:
        try:
            encoded.append(encode(flag))
        except ValueError:
            refused.append(flag.id)
    store.store(encoded, minutes)
    return refused


def the_day(**what_matters: Any) -> FlagFilter:
    """Everything of NOON's day, unless told."""
    since = NOON.replace(hour=0)
    return FlagFilter(**{"since": since, "until": since + timedelta(days=1), **what_matters})


def flagged_by_counts(store: FlagStore) -> tuple[int, int, int]:
    """Flags by the count, by the buckets and by the users, which must always agree."""
    buckets = store.flags_per_bucket(the_day(), 60)["flags"].sum()
    return store.flag_count(the_day()), int(buckets), int(store.top_users(the_day(), 1_000)["flags"].sum())
