"""The stores' tables for charts, with the same columns and dtypes from every store and when they are empty."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fraud.decision import Severity
from storage.flags.documents import AMOUNT_UNITS, from_ms
from storage.flags.flag_store import Minute

_DTYPES = {"minute": "datetime64[us, UTC]", "log_id": "str", "group": "str", "dead": "object", "spend": "object"}


def buckets(rows: Iterable[tuple[int, int, str, int, float]]) -> pd.DataFrame:
    """From (start in ms, severity rank, currency, flags, amount in ten-thousandths), ordered by these."""
    ordered = sorted(rows)
    return pd.DataFrame(
        {
            "bucket": _moments(row[0] for row in ordered),
            "severity": pd.Series([Severity(row[1]).word for row in ordered], dtype="str"),
            "currency": pd.Series([row[2] for row in ordered], dtype="str"),
            "flags": pd.Series([row[3] for row in ordered], dtype="int64"),
            "amount": pd.Series([row[4] / AMOUNT_UNITS for row in ordered], dtype="float64"),
        }
    )


def users(rows: Iterable[tuple[str, int, float, int, int]]) -> pd.DataFrame:
    """From (user id, flags, amount in ten-thousandths, worst rank, last in ms), in the order given."""
    ordered = list(rows)
    return pd.DataFrame(
        {
            "user_id": pd.Series([row[0] for row in ordered], dtype="str"),
            "flags": pd.Series([row[1] for row in ordered], dtype="int64"),
            "amount": pd.Series([row[2] / AMOUNT_UNITS for row in ordered], dtype="float64"),
            "worst": pd.Series([Severity(row[3]).word for row in ordered], dtype="str"),
            "last": _moments(row[4] for row in ordered),
        }
    )


def minutes(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """From the fields of `Minute`, by minute, log id, group and partition."""
    keys = ("minute", "log_id", "group", "partition")
    ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    columns = {
        field.name: [row.get(field.name, field.default) for row in ordered] for field in dataclasses.fields(Minute)
    }
    return pd.DataFrame({name: pd.Series(values, dtype=_DTYPES.get(name, "int64")) for name, values in columns.items()})


def _moments(ms: Iterable[int]) -> "pd.Series[Any]":
    return pd.Series([from_ms(one) for one in ms], dtype="datetime64[us, UTC]")
