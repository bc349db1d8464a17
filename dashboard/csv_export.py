"""Flags as the rows of a CSV file: one line per flag, flat, lists joined by |. `storage.exports` writes it, safe for spreadsheets."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from fraud.decision import Mode
from fraud.schema import Transaction
from storage.exports import csv_bytes, kept, write_csv

_OF_TRANSACTION = tuple(
    name for name in Transaction.__struct_fields__ if name not in ("transaction_id", "user_id", "event_time")
)
_OF_FLAG = ("history_incomplete", "verdict", "origin", "policy", "log_id", "group", "partition", "offset")
_MICRO = 1_000_000


def to_csv(flags: Iterable[Mapping[str, Any]]) -> bytes:
    """A header and one line per flag (documents as the store gives them), in the order given; RFC 4180, UTF-8."""
    return csv_bytes(_rows(flags))


def keep(flags: Iterable[Mapping[str, Any]], data_dir: str, at: datetime) -> str:
    """Write the same under `filtered/` of the data folder; the answer says where."""
    path = kept(data_dir, file_name(at))
    write_csv(_rows(flags), path)
    return path


def file_name(at: datetime) -> str:
    """`flags-20260302T120000Z.csv`."""
    return f"flags-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.csv"


def row(flag: Mapping[str, Any]) -> dict[str, Any]:
    """One flag, flat: who and when, the payment's fields, the live hits, and where the decision comes from."""
    transaction = flag["transaction"]
    hits = [hit for hit in flag.get("hits") or () if hit.get("mode") == Mode.LIVE]
    score = flag.get("score")
    return {
        "flag_id": flag["_id"],
        **{name: flag.get(name) for name in ("received_at", "event_time", "decided_at", "severity", "user_id")},
        "transaction_id": transaction.get("transaction_id"),
        **{name: transaction.get(name) for name in _OF_TRANSACTION},
        "rules": [str(hit.get("rule", "")) for hit in hits],
        "reasons": [str(hit.get("reason", "")) for hit in hits],
        "counterfactuals": [str(hit["counterfactual"]) for hit in hits if hit.get("counterfactual")],
        "score": None if score is None else score / _MICRO,
        **{name: flag.get(name) for name in _OF_FLAG},
    }


def _rows(flags: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]] | pd.DataFrame:
    rows = [row(flag) for flag in flags]
    return rows or pd.DataFrame(columns=list(row({"_id": "", "transaction": {}})))
