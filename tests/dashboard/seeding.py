"""Synthetic flags, counters and heartbeats for the dashboard, written through the store's own interface."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fraud.decision import Flag, Hit, flag_id
from fraud.schema import Channel, Kind, Transaction
from storage.flags.flag_store import FlagStore, Heartbeat, Minute
from tests.storage.flags.flag_builders import put

LOG = "log-one"
POLICY = {"hash": "5f0c1d2e3a4b", "model": None, "effective_at": "2026-03-02T12:00:00Z", "rules": 5}


def flag(number: int, at: datetime, **what_matters: Any) -> Flag:
    """A flag over a card payment; fields of the transaction may be given beside severity, score, hits, context and so on."""
    shared = set(Transaction.__struct_fields__)
    own = {name: what_matters.pop(name) for name in set(what_matters) & (set(Flag.__struct_fields__) - shared)}
    fields = {
        "transaction_id": f"t-{number:05d}",
        "user_id": f"u-{number % 7:03d}",
        "event_time": at - timedelta(seconds=1),
        "amount": 1_200.0 + number,
        "currency": "EUR",
        "kind": Kind.PURCHASE,
        "channel": Channel.ONLINE,
        "merchant_id": f"m-{number % 5}",
        "merchant_name": f"Shop {number % 5}",
        "country": "FR",
        "city": "Lyon",
        **what_matters,
    }
    payment = Transaction(**fields)
    defaults: dict[str, Any] = {
        "id": flag_id(payment.user_id, payment.transaction_id, payment.event_time),
        "log_id": LOG,
        "group": "fraud",
        "partition": number % 3,
        "offset": number,
        "received_at": at,
        "decided_at": at + timedelta(milliseconds=40),
        "event_time": payment.event_time,
        "user_id": payment.user_id,
        "transaction": payment,
        "origin": "decision",
        "severity": "high",
        "hits": (high_amount(payment.amount),),
        "score": None,
        "features": {"amount": payment.amount, "count_5m": 3.0, "amount_mean_30d": 41.25, "kmh_since_place": None},
        "policy": POLICY["hash"],
        "history_incomplete": False,
        "context": (),
    }
    return Flag(**{**defaults, **own})


def high_amount(amount: float, severity: str = "high", mode: str = "live") -> Hit:
    """A hit of a rule on the amount."""
    return Hit(
        rule="high-amount",
        kind="high_amount",
        mode=mode,
        severity=severity,
        reason=f"EUR {amount:,.2f} is over the limit of EUR 1,000.00",
        observed=amount,
        threshold=1_000.0,
        passes_at=1_000.0,
        counterfactual="this rule alone would not fire at <= 1,000.00",
    )


def minute(at: datetime, partition: int = 0, **what_matters: Any) -> Minute:
    """The counters of one partition and the minute that `at` is in."""
    fields: dict[str, Any] = {
        "log_id": LOG,
        "group": "fraud",
        "partition": partition,
        "minute": at.replace(second=0, microsecond=0),
        "up_to_offset": 100,
        "seen": 60,
        "decided": 58,
        "duplicates": 1,
        "before_policy": 0,
        "dead": {"schema": 1},
        "flagged": 1,
        "spend": {"EUR": 250_000},
    }
    return Minute(**{**fields, **what_matters})


def beat(at: datetime, **what_matters: Any) -> Heartbeat:
    """A consumer that runs; `facts` are laid over usual ones."""
    facts = {
        "lag": {"0": 3, "1": 0, "2": 12},
        "rate": 61.5,
        "decide_ms": {"p50": 1.2, "p95": 3.4, "p99": 7.9},
        "store_ms": {"p50": 2.2, "p95": 5.1, "p99": 11.0},
        "end_to_end_ms": {"p50": 34.0, "p95": 71.0, "p99": 1_250.0},
        "dead": {"schema": 4},
        "policy": POLICY,
        "refused": [],
        "voids": [],
        "users_in_state": 20_000,
        "state_bytes": 48 * 2**20,
        "degraded": [],
        **what_matters.pop("facts", {}),
    }
    fields: dict[str, Any] = {
        "process": "consumer-one-4711",
        "role": "consumer",
        "at": at,
        "started_at": at - timedelta(hours=2),
        "log_id": LOG,
        "group": "fraud",
        "state": "running",
        "facts": facts,
    }
    return Heartbeat(**{**fields, **what_matters})


def now() -> datetime:
    """The clock of the browser tests: the dashboard's own."""
    return datetime.now(UTC)


def fill(store: FlagStore, flags: Sequence[Flag], minutes: Sequence[Minute] = ()) -> None:
    """Store them; every one must be taken."""
    refused = put(store, flags, minutes)
    assert refused == []
