"""Everything an analyst decides: rules, score bands, default currency, and the two lists that belong to them."""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from fraud.columns import Bools, Ints
from fraud.decision import Mode, Severity
from fraud.rule_values import CurrencyCode, MccRange, Micros
from fraud.rules import AnyRule
from fraud.wording import percent

MOVING_MCCS = (
    "3000-3350",  # airlines, by carrier
    "4011",  # railroads
    "4111",  # commuter transport, ferries included
    "4112",  # passenger railways
    "4121",  # taxis
    "4131",  # bus lines
    "4411",  # cruise lines
    "4511",  # airlines, any other
    "4784",  # tolls
    "4789",  # transport, any other
)
"""ISO 18245 categories whose terminals move, or report from elsewhere."""


class Bands(BaseModel):
    """The lowest score of each severity (a percentage of certainty); a severity without one is never given by a score."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: Micros | None = None
    medium: Micros | None = None
    high: Micros | None = None
    critical: Micros | None = None

    @model_validator(mode="after")
    def _rise(self) -> Self:
        floors = [floor for _, floor in self.floors()]
        if any(floor >= higher for floor, higher in pairwise(floors)):
            raise ValueError("a higher severity needs a higher score: low < medium < high < critical")
        return self

    def floors(self) -> Iterator[tuple[Severity, int]]:
        """The severities that scores can give, with their lowest score in micro-units, rising."""
        for severity in Severity:
            floor = getattr(self, severity.word)
            if floor is not None:
                yield severity, floor

    @property
    def lowest(self) -> int | None:
        """The lowest score that flags, in micro-units; None where no score does."""
        return next((floor for _, floor in self.floors()), None)

    def severities(self, scores: Ints) -> Ints:
        """The `Severity` that each score (micro-units, shape (n,)) gives; 0 where it gives none."""
        return self._severity_codes[np.searchsorted(self._floor_scores, scores, side="right")]

    def in_words(self) -> str:
        """Each band, rising."""
        said = ", ".join(f"{severity.word} from {percent(floor / 1_000_000)}" for severity, floor in self.floors())
        return said or "no score flags"

    @cached_property
    def _floor_scores(self) -> Ints:
        return np.array([floor for _, floor in self.floors()], np.int64)

    @cached_property
    def _severity_codes(self) -> Ints:
        return np.array([0, *(int(severity) for severity, _ in self.floors())], np.int64)


class CardNumbers(BaseModel):
    """Which fields may hold digit runs that look like card numbers; `user_id` and `card_token` never may."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exempt: tuple[Literal["transaction_id", "merchant_id"], ...] = ()


class RuleSet(BaseModel):
    """One rules file, understood."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[Literal[1], Field(description="of this file's format")]
    default_currency: Annotated[CurrencyCode, Field(description="ISO 4217; of payments that name no currency")]
    score: Annotated[Bands, Field(description="the lowest model score of each severity")] = Bands()
    moving_mccs: Annotated[
        tuple[MccRange, ...], Field(description="merchant categories whose terminals move; they are no places")
    ] = MOVING_MCCS
    card_numbers: Annotated[CardNumbers, Field(description="refusal of card numbers")] = CardNumbers()
    rules: Annotated[tuple[AnyRule, ...], Field(description="in the order in which reasons are listed")]

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) < len(ids):
            raise PydanticCustomError("repeated_id", "a rule id is used more than once")
        return self

    @property
    def judging(self) -> tuple[AnyRule, ...]:
        """The rules that are asked: live and shadow."""
        return tuple(rule for rule in self.rules if rule.mode is not Mode.OFF)

    @cached_property
    def moving(self) -> Bools:
        """Which merchant category codes move: bool, shape (10000,)."""
        moves = np.zeros(10_000, np.bool_)
        for first, _, last in (span.partition("-") for span in self.moving_mccs):
            moves[int(first) : int(last or first) + 1] = True
        return moves

    @property
    def exempt(self) -> frozenset[str]:
        """Fields in which digit runs are not taken for card numbers."""
        return frozenset(self.card_numbers.exempt)

    def in_words(self) -> list[str]:
        """One line for each thing decided."""
        lines = [f"payments without a currency are in {self.default_currency}", f"score: {self.score.in_words()}"]
        return lines + [describe(rule) for rule in self.rules]


def describe(rule: AnyRule) -> str:
    """One rule on one line."""
    where = f", only where {' '.join(rule.segment.text.split())}" if rule.segment else ""
    return f"{rule.id} ({rule.severity.word}, {rule.mode}): {rule.in_words()}{where}"
