"""Flags as rows of a table and in words. Pure."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.money import money
from dashboard.snapshot import Snapshot
from fraud.decision import Mode, Severity
from fraud.features import FEATURES
from storage.flags.flag_store import TimeField

_MICRO = 1_000_000


def rows(snapshot: Snapshot) -> pd.DataFrame:
    """One row per flag of a snapshot, in its order, ready to be shown."""
    time = snapshot.wanted.time.value
    return pd.DataFrame(
        {
            "flag": [snapshot.label(flag) for flag in snapshot.rows],
            "time": pd.DatetimeIndex([pd.Timestamp(flag[time]) for flag in snapshot.rows], dtype="datetime64[us, UTC]"),
            "severity": [[str(flag.get("severity", ""))] for flag in snapshot.rows],
            "amount": [amount(flag) for flag in snapshot.rows],
            "user": [str(flag.get("user_id", "")) for flag in snapshot.rows],
            "why": [why(flag) for flag in snapshot.rows],
            "score": [None if flag.get("score") is None else 100 * flag["score"] / _MICRO for flag in snapshot.rows],
            "merchant": [_first(flag, "merchant_name", "merchant_id") for flag in snapshot.rows],
            "place": [place(flag["transaction"]) for flag in snapshot.rows],
            "channel": [_first(flag, "channel") for flag in snapshot.rows],
        }
    )


def amount(flag: Mapping[str, Any]) -> str:
    """What the user is billed, with its currency."""
    transaction = flag["transaction"]
    return money(float(transaction["amount"]), transaction.get("currency"))


def why(flag: Mapping[str, Any]) -> str:
    """The live hits' reasons, the gravest first; else that the score alone was enough."""
    reasons = [str(hit["reason"]) for hit in hits(flag, Mode.LIVE)]
    if not reasons:
        return "score alone" if flag.get("score") is not None else ""
    return " · ".join(reasons)


def hits(flag: Mapping[str, Any], *modes: Mode) -> list[Mapping[str, Any]]:
    """The hits of some modes: those that acted before shadows, the gravest first."""
    found = [hit for hit in flag.get("hits") or () if hit["mode"] in {str(mode) for mode in modes}]
    return sorted(
        found, key=lambda hit: (hit["mode"] != Mode.LIVE, -Severity.of(str(hit["severity"])), str(hit["rule"]))
    )


def place(transaction: Mapping[str, Any]) -> str:
    """City and country, as far as they are known."""
    known = [str(transaction[name]) for name in ("city", "country") if transaction.get(name)]
    return ", ".join(known)


def facts_of(transaction: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every field that the payment carries, named as in its schema; absent ones left out."""
    return [(name, _shown(value)) for name, value in transaction.items() if value is not None]


def features_of(flag: Mapping[str, Any]) -> pd.DataFrame:
    """The features that the decision saw, in their order, with their declared meaning; absent ones say so."""
    features = flag.get("features") or {}
    declared = [FEATURES.get(name) for name in features]
    return pd.DataFrame(
        {
            "feature": list(features),
            "value": [_shown_number(value) for value in features.values()],
            "unit": ["" if one is None else one.unit for one in declared],
            "meaning": ["" if one is None else one.meaning for one in declared],
        }
    )


def recent_payments(flag: Mapping[str, Any]) -> pd.DataFrame:
    """What the user did before, as remembered at the decision, newest first."""
    return pd.DataFrame([_remembered(payment) for payment in reversed(flag.get("context") or ())])


def _remembered(payment: Mapping[str, Any]) -> dict[str, str]:
    return {
        "event time (UTC)": _moment(payment.get("event_time")),
        "amount": money(float(payment.get("amount") or 0), payment.get("currency")),
        "outcome": "declined" if payment.get("declined") else "approved",
        "card": "present" if payment.get("card_present") else "not present",
        "country": str(payment.get("country") or ""),
        "mcc": str(payment.get("mcc") or ""),
        "merchant": str(payment.get("merchant") or "")[:8],
    }


def clock_word(time: TimeField) -> str:
    """The head of the time column."""
    return "received (UTC)" if time == TimeField.RECEIVED_AT else "event time (UTC)"


def score_in_words(flag: Mapping[str, Any]) -> str:
    """The score, or that there is none and why."""
    score = flag.get("score")
    if score is None:
        return "No model in force when this was decided: rules alone."
    return f"{score / _MICRO:.2%} likely to be fraud, says the model."


def _first(flag: Mapping[str, Any], *names: str) -> str:
    transaction = flag["transaction"]
    return next((str(transaction[name]) for name in names if transaction.get(name)), "")


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 and value != round(value, 2) else str(value)


def _shown_number(value: float | None) -> str:
    if value is None:
        return "absent"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}".rstrip("0").rstrip(".")


def _moment(value: object) -> str:
    if value is None:
        return ""
    return str(pd.Timestamp(str(value)).tz_convert("UTC").strftime("%Y-%m-%d %H:%M:%S"))
