"""Rules: stated objections to a payment. Each answers for a whole batch at once, with what would have passed.

The built-in kinds judge attempts (purchase, cash, transfer, verification); an expression judges every payment.
What a rule needs and does not know is never a hit.
"""

from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fraud.batch import Batch
from fraud.columns import Bools, ColumnKind, Columns, Floats, Ints
from fraud.currencies import code_of, decimals
from fraud.currencies import number as currency_number
from fraud.decision import Severity
from fraud.features import COLUMN_KINDS
from fraud.hits import Hits, Words
from fraud.rule import Rule
from fraud.rule_values import Amounts, ClockHours, Count, Quantity, SeverityWord, Share, Sql, Window, clock
from fraud.wording import duration, money, number, percent

_ALONE = "this rule alone would not fire"
_NO_LIMIT = np.iinfo(np.int64).max
_CURRENCIES = 1_000
"""ISO 4217 numbers have three digits."""


class HighAmount(Rule):
    """Flag a payment of more than a limit in its currency; a currency without a limit is no hit, counted."""

    kind: Literal["high_amount"] = "high_amount"
    limit: Annotated[Amounts, Field(description="largest amount that passes, by currency, in major units")]

    def check(self, batch: Batch, columns: Columns) -> Hits:
        """Hold amounts against the limit of their currency, in minor units."""
        limits = self._limit_by_currency[batch.currency]
        mask: Bools = batch.amount > limits
        without_limit: Bools = limits == _NO_LIMIT
        if not np.count_nonzero(mask | without_limit):
            return Hits.none(mask)
        judged = self.attempts(batch, columns)
        mask, without_limit = mask & judged, without_limit & judged
        if not np.count_nonzero(mask):
            return Hits.none(mask, without_limit)
        amounts, thresholds = columns.number("amount").values, self._major_limit_by_currency[batch.currency]

        def words(row: int) -> tuple[str, str]:
            code = code_of(int(batch.currency[row]))
            limit = money(thresholds[row], code)
            return f"{money(amounts[row], code)} is more than {limit}", f"{_ALONE} at ≤ {limit}"

        return Hits.where(mask, amounts, thresholds, words, without_limit=without_limit)

    def in_words(self) -> str:
        """What it flags."""
        limits = (money(float(amount), code) for code, amount in self.limit.items())
        return f"payments of more than {', '.join(limits)}; other currencies never"

    @cached_property
    def _limit_by_currency(self) -> Ints:
        """Minor units by ISO 4217 number, shape (1000,)."""
        limits = np.full(_CURRENCIES, _NO_LIMIT, np.int64)
        for code, amount in self.limit.items():
            limits[currency_number(code)] = int(amount.scaleb(decimals(code)))
        return limits

    @cached_property
    def _major_limit_by_currency(self) -> Floats:
        """The same in major units; 0 where there is no limit."""
        limits = np.zeros(_CURRENCIES)
        for code, amount in self.limit.items():
            limits[currency_number(code)] = float(amount)
        return limits


class HighFrequency(Rule):
    """Flag a user who pays more often than a person would."""

    kind: Literal["high_frequency"] = "high_frequency"
    limit: Annotated[Count, Field(description="payments that pass, this one included")] = 5
    window: Annotated[Window, Field(description="how far back payments count")] = Window.M5

    def check(self, batch: Batch, columns: Columns) -> Hits:
        """Count this payment together with the user's earlier ones in the window."""
        earlier = columns.number(self._column).values
        mask = self.narrowed(earlier >= self.limit, batch, columns)
        if not np.count_nonzero(mask):
            return Hits.none(mask)
        counts, span = earlier + 1.0, self.window.words

        def words(row: int) -> tuple[str, str]:
            return (
                f"{number(counts[row])} payments in {span}, this one included; more than {self.limit}",
                f"{_ALONE} at ≤ {self.limit} payments in {span}",
            )

        return Hits.where(mask, counts, self.limit, words)

    def in_words(self) -> str:
        """What it flags."""
        return f"the payment that makes more than {self.limit} in {self.window.words}"

    @cached_property
    def _column(self) -> str:
        return f"count_{self.window.value}"


class UnusualHour(Rule):
    """Flag a payment at night, or at an hour when this user hardly ever pays; at both, when both are given."""

    kind: Literal["unusual_hour"] = "unusual_hour"
    severity: Annotated[SeverityWord, Field(description="how much a flag of this rule matters")] = Severity.LOW
    between: Annotated[
        ClockHours | None, Field(description="local clock hours, such as 00:00-05:00 or 22:00-05:00")
    ] = None
    share_below: Annotated[Share | None, Field(description="share of the user's payments of 30 days in this hour")] = (
        None
    )

    @model_validator(mode="after")
    def _says_which_hours(self) -> Self:
        if self.between is None and self.share_below is None:
            raise ValueError("give between (00:00-05:00), share_below (2 %), or both")
        return self

    def check(self, batch: Batch, columns: Columns) -> Hits:
        """Look at the local hour; a payment whose hour, or whose user's habit, is unknown is no hit."""
        hours, shares = columns.number("hour"), columns.number("hour_share_30d")
        mask = hours.present
        if self.share_below is not None:
            mask = mask & shares.present & (shares.values < self.share_below)
        if self.between is not None:
            mask = mask & clock(self.between)[hours.values.astype(np.int64)]
        mask = self.narrowed(mask, batch, columns)
        if not np.count_nonzero(mask):
            return Hits.none(mask)
        words = self._words(hours.values, shares.values)
        if self.share_below is not None:
            return Hits.where(mask, shares.values, self.share_below, words)
        return Hits.where(mask, hours.values, self.between.end if self.between else 0, words)

    def in_words(self) -> str:
        """What it flags."""
        parts = [f"between {self.between.words}"] if self.between is not None else []
        if self.share_below is not None:
            parts.append(f"where less than {percent(self.share_below)} of the user's payments of 30 days fall")
        return f"payments at a local hour {' and '.join(parts)}"

    def _words(self, hours: Floats, shares: Floats) -> Words:
        def words(row: int) -> tuple[str, str]:
            reasons, passes = [f"paid in the hour from {int(hours[row]):02}:00 local time"], []
            if self.share_below is not None:
                low = percent(self.share_below)
                reasons.append(f"where {percent(shares[row])} of the user's payments fall, less than {low}")
                passes.append(f"at ≥ {low} of the user's payments in this hour")
            if self.between is not None:
                reasons.append(f"between {self.between.words}")
                passes.append(f"outside {self.between}")
            return ", ".join(reasons), f"{_ALONE} {', or '.join(passes)}"

        return words


class GeoMismatch(Rule):
    """Flag a card that is used at two places which nobody travels between in that time."""

    kind: Literal["geo_mismatch"] = "geo_mismatch"
    severity: Annotated[SeverityWord, Field(description="how much a flag of this rule matters")] = Severity.HIGH
    min_km: Annotated[Quantity, Field(description="nearer places are ignored")] = 100.0
    max_kmh: Annotated[Quantity, Field(description="fastest speed that passes")] = 900.0

    def check(self, batch: Batch, columns: Columns) -> Hits:
        """Hold distance and speed since the previous physical place against the limits."""
        km, kmh = columns.number("km_since_place"), columns.number("kmh_since_place")
        far_and_fast = (kmh.values > self.max_kmh) & (km.values >= self.min_km) & km.present & kmh.present
        mask = self.narrowed(far_and_fast, batch, columns)
        if not np.count_nonzero(mask):
            return Hits.none(mask)
        seconds = columns.number("seconds_since_place")

        def words(row: int) -> tuple[str, str]:
            limit = number(self.max_kmh)
            journey = f"{number(km.values[row])} km from the previous place in {duration(seconds.values[row])}"
            return (
                f"{journey}: {number(kmh.values[row])} km/h is faster than {limit} km/h",
                f"{_ALONE} at ≤ {limit} km/h, or nearer than {number(self.min_km)} km",
            )

        return Hits.where(mask, kmh.values, self.max_kmh, words)

    def in_words(self) -> str:
        """What it flags."""
        return f"places at least {number(self.min_km)} km apart, reached faster than {number(self.max_kmh)} km/h"


class Expression(Rule):
    """Flag every payment for which a SQL condition is true."""

    kind: Literal["expression"] = "expression"
    condition: Annotated[Sql, Field(description="a SQL condition over the columns of docs/features.md")]

    def check(self, _batch: Batch, columns: Columns) -> Hits:
        """Evaluate the condition; unknown is no hit."""
        mask = self.condition.holds(columns)
        if self.segment is not None and np.count_nonzero(mask):
            mask = mask & self.segment.holds(columns)
        if not np.count_nonzero(mask):
            return Hits.none(mask)
        decisive = self.condition.decisive
        if decisive is None:
            return Hits.unbounded(
                mask, lambda row: (self._reason(columns, row), f"{_ALONE} if this were not so: {self.said}")
            )
        bounds = decisive.bounds(columns)

        def words(row: int) -> tuple[str, str]:
            limit = number(bounds.threshold[row], decisive.passing)
            return self._reason(columns, row), f"{_ALONE} at {decisive.subject} {decisive.passing} {limit}"

        return Hits.where(mask, bounds.observed, bounds.threshold, words, passes_at=bounds.passes_at)

    def in_words(self) -> str:
        """What it flags."""
        return f"payments for which {self.said}"

    @property
    def said(self) -> str:
        """The condition on one line."""
        return " ".join(self.condition.text.split())

    def _reason(self, columns: Columns, row: int) -> str:
        seen = (f"{name} {_shown(columns, name, row)}" for name in self.condition.columns)
        return f"{self.said} ({', '.join(seen)})"


AnyRule = Annotated[HighAmount | HighFrequency | UnusualHour | GeoMismatch | Expression, Field(discriminator="kind")]
"""One rule of the file, told apart by its kind."""


def _shown(columns: Columns, name: str, row: int) -> str:
    """One value of a payment, as people read it."""
    if COLUMN_KINDS[name] is ColumnKind.TEXT:
        text = columns.text(name)
        return text.words[text.codes[row]] if text.present[row] else "unknown"
    column = columns.number(name)
    if not column.present[row]:
        return "unknown"
    if COLUMN_KINDS[name] is ColumnKind.BOOLEAN:
        return "yes" if column.values[row] else "no"
    return number(column.values[row])
