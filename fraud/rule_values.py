"""The values that rules are written with: severities, percentages, clock hours, amounts by currency, conditions. All strict."""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    StringConstraints,
    WithJsonSchema,
)

from fraud.columns import Bools
from fraud.currencies import decimals, is_known
from fraud.decision import Severity
from fraud.errors import ExpressionError
from fraud.expressions import Condition, condition
from fraud.features import COLUMN_KINDS
from fraud.spelling import nearest
from fraud.wording import percent

MICRO = 1_000_000
"""Micro-units of certainty: scores are whole ones."""
MAX_AMOUNT = 10**11
"""Major units; with four decimals still exact as a float."""


class Window(StrEnum):
    """How far back a rule looks."""

    M5 = "5m"
    H1 = "1h"
    H24 = "24h"
    D7 = "7d"
    D30 = "30d"

    @property
    def words(self) -> str:
        """As people say it."""
        return {"5m": "5 minutes", "1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}[self]


class Hours(NamedTuple):
    """Clock hours from `start` up to, not including, `end`; past midnight when start > end."""

    start: int
    end: int

    def __str__(self) -> str:
        """As the file writes it."""
        return f"{self.start:02}:00-{self.end:02}:00"

    @property
    def words(self) -> str:
        """As people say it."""
        return f"{self.start:02}:00 and {self.end:02}:00"


@lru_cache
def clock(hours: Hours) -> Bools:
    """Which of the 24 clock hours lie in a span: bool, shape (24,)."""
    hour = np.arange(24)
    after, before = hour >= hours.start, hour < hours.end
    inside: Bools = after & before if hours.start < hours.end else after | before
    return inside


def _severity(value: Any) -> Severity:
    words = [severity.word for severity in Severity]
    if isinstance(value, Severity):
        return value
    if value not in words:
        raise ValueError(f"{value!r} is no severity{nearest(str(value), words)}")
    return Severity.of(value)


def _percentage(value: Any) -> Decimal:
    """The number before the percent sign."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no percentage; write for example 2 % or 0.5 %, with at most 4 decimals")
    number = Decimal(match[1])
    if not 0 < number <= 100:
        raise ValueError(f"{value!r} must be above 0 % and at most 100 %")
    return number


def _share(value: Any) -> float:
    return float(_percentage(value) / 100)


def _micros(value: Any) -> int:
    return int(_percentage(value) * 10_000)


def _hours(value: Any) -> Hours:
    if isinstance(value, Hours):
        return value
    match = re.fullmatch(r"([0-9]{2}):([0-9]{2}) ?- ?([0-9]{2}):([0-9]{2})", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no span of hours; write for example 00:00-05:00")
    start, start_minute, end, end_minute = map(int, match.groups())
    if start_minute or end_minute:
        raise ValueError(f"{value!r} must begin and end on the hour: what is known of a payment is its clock hour")
    if start > 23 or end > 24 or start == end % 24:
        raise ValueError(f"{value!r} must begin and end at different hours, from 00:00 to 24:00")
    return Hours(start, end % 24)


def _amounts(value: Any) -> dict[str, Decimal]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("write an amount for each currency, for example {EUR: 1000, JPY: 150000}")
    problems = [problem for code, amount in value.items() if (problem := _amount_problem(code, amount))]
    if problems:
        raise ValueError("; ".join(problems))
    return {code: round(Decimal(str(amount)), decimals(code)) for code, amount in value.items()}


def _amount_problem(code: Any, value: Any) -> str | None:
    if not isinstance(code, str) or not is_known(code):
        return f"{code!r} is no ISO 4217 currency code"
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return f"{code}: {value!r} is no amount; write a plain number such as 1000"
    amount = Decimal(str(value))
    if not amount.is_finite() or not 0 <= amount <= MAX_AMOUNT:
        return f"{code}: {value} must be from 0 to {MAX_AMOUNT:,}"
    if amount != round(amount, decimals(code)):
        return f"{code}: {value} has more decimals than the currency ({decimals(code)})"
    return None


def _currency(code: Any) -> str:
    if not isinstance(code, str) or not is_known(code):
        raise ValueError(f"{code!r} is no ISO 4217 currency code; write for example EUR")
    return code


def _condition(value: Any) -> Condition:
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise ValueError("write a SQL condition, for example amount > 3 * amount_mean_30d AND new_device")
    try:
        return condition(value.strip(), COLUMN_KINDS)
    except ExpressionError as error:
        raise ValueError(str(error)) from error


def _mcc_range(value: Any) -> str:
    text = str(value) if type(value) is int else value
    match = re.fullmatch(r"([0-9]{4})(?: ?- ?([0-9]{4}))?", text) if isinstance(text, str) else None
    if match is None or (match[2] and match[1] >= match[2]):
        raise ValueError(f"{value!r} is no merchant category; write four digits, or a range such as 3000-3350")
    return f"{match[1]}-{match[2]}" if match[2] else match[1]


SeverityWord = Annotated[
    Severity,
    PlainValidator(_severity),
    PlainSerializer(lambda severity: severity.word),
    WithJsonSchema({"enum": [severity.word for severity in Severity]}),
]
_PERCENT_SCHEMA = {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})? ?%$", "examples": ["2 %"]}
Share = Annotated[float, PlainValidator(_share), PlainSerializer(percent), WithJsonSchema(_PERCENT_SCHEMA)]
"""A share of 0 to 1, written as a percentage."""
Micros = Annotated[
    int,
    PlainValidator(_micros),
    PlainSerializer(lambda micros: percent(micros / MICRO)),
    WithJsonSchema(_PERCENT_SCHEMA),
]
"""Micro-units of a score, written as a percentage."""
ClockHours = Annotated[
    Hours,
    PlainValidator(_hours),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{2}:00 ?- ?[0-9]{2}:00$", "examples": ["00:00-05:00"]}),
]
Amounts = Annotated[
    dict[str, Decimal],
    PlainValidator(_amounts),
    PlainSerializer(lambda amounts: {code: float(amount) for code, amount in sorted(amounts.items())}),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[A-Z]{3}$"},
            "additionalProperties": {"type": "number", "minimum": 0},
        }
    ),
]
"""Major units by currency code."""
Sql = Annotated[
    Condition,
    PlainValidator(_condition),
    PlainSerializer(lambda compiled: compiled.text),
    WithJsonSchema({"type": "string", "examples": ["amount > 3 * amount_mean_30d AND new_device"]}),
]
"""A compiled condition, written in SQL."""
CurrencyCode = Annotated[str, BeforeValidator(_currency), Field(json_schema_extra={"pattern": "^[A-Z]{3}$"})]
MccRange = Annotated[
    str,
    PlainValidator(_mcc_range),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["4121", "3000-3350"]}),
]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Quantity = Annotated[float, Strict(), Field(ge=0, le=1_000_000, allow_inf_nan=False)]
