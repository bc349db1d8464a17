"""The stores' tables for charts, with the same columns and dtypes from every store and when they are empty."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from fraud.decision import Severity
from storage.flags.documents import AMOUNT_UNITS, from_ms
from storage.flags.flag_store import Minute

if TYPE_CHECKING:
    import pandas as pd

_MOMENT: Final = "datetime64[us, UTC]"
_DTYPES: Final = {"minute": _MOMENT, "log_id": "str", "group": "str", "dead": "object", "spend": "object"}


def buckets(rows: Iterable[tuple[int, int, str, int, float]]) -> "pd.DataFrame":
    """From (start in ms, severity rank, currency, flags, amount in ten-thousandths), ordered by these."""
    ordered = sorted(rows)
    return _table(
        bucket=([from_ms(row[0]) for row in ordered], _MOMENT),
        severity=([Severity(row[1]).word for row in ordered], "str"),
        currency=([row[2] for row in ordered], "str"),
        flags=([row[3] for row in ordered], "int64"),
        amount=([row[4] / AMOUNT_UNITS for row in ordered], "float64"),
    )


def users(rows: Iterable[tuple[str, int, float, int, int]]) -> "pd.DataFrame":
    """From (user id, flags, amount in ten-thousandths, worst rank, last in ms), in the order given."""
    ordered = list(rows)
    return _table(
        user_id=([row[0] for row in ordered], "str"),
        flags=([row[1] for row in ordered], "int64"),
        amount=([row[2] / AMOUNT_UNITS for row in ordered], "float64"),
        worst=([Severity(row[3]).word for row in ordered], "str"),
        last=([from_ms(row[4]) for row in ordered], _MOMENT),
    )


def minutes(rows: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
    """From the fields of `Minute`, by minute, log id, group and partition."""
    keys = ("minute", "log_id", "group", "partition")
    ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    return _table(
        **{
            field.name: ([row.get(field.name, field.default) for row in ordered], _DTYPES.get(field.name, "int64"))
            for field in dataclasses.fields(Minute)
        }
    )


def _table(**columns: tuple[list[Any], str]) -> "pd.DataFrame":
    """Of values and dtype by column."""
    import pandas as pd  # it takes a while to load, and a consumer never asks for a table

    return pd.DataFrame({name: pd.Series(values, dtype=dtype) for name, (values, dtype) in columns.items()})
