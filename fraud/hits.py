"""What a rule says of a batch: where it fires, what it saw, and what would have passed."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from fraud.columns import Bools, Floats

Words = Callable[[int], tuple[str, str]]
"""Reason and counterfactual of one row, in words."""


class Hits(NamedTuple):
    """One rule's answer for n payments. The numbers mean something only where `mask` is True.

    A tuple: one is made for every rule and batch, and a frozen dataclass takes longer to make.
    """

    mask: Bools
    """Where the rule fires: bool, shape (n,)."""
    observed: Floats
    """What was seen: float64, shape (n,)."""
    threshold: Floats
    """What it was held against: float64, shape (n,)."""
    passes_at: Floats
    """The observed value nearest to the threshold at which this rule alone would not fire: float64, shape (n,)."""
    has_passes_at: Bools
    """Where one number says what would pass; elsewhere `observed` and `threshold` mean nothing either: bool, shape (n,)."""
    words: Words
    without_limit: Bools | None = None
    """Payments judged in a currency that the rule has no limit for: no hit, counted."""

    @classmethod
    def none(cls, mask: Bools, without_limit: Bools | None = None) -> Self:
        """Nothing fired; `mask` is False everywhere."""
        zeros = np.zeros(len(mask))
        return cls(
            mask=mask,
            observed=zeros,
            threshold=zeros,
            passes_at=zeros,
            has_passes_at=mask,
            words=_no_words,
            without_limit=without_limit,
        )

    @classmethod
    def unbounded(cls, mask: Bools, words: Words) -> Self:
        """Hits for which no single number says what would have passed."""
        return cls.none(mask)._replace(has_passes_at=np.zeros(len(mask), np.bool_), words=words)

    @classmethod
    def where(
        cls,
        mask: Bools,
        observed: Floats,
        threshold: Floats | float,
        words: Words,
        *,
        passes_at: Floats | None = None,
        without_limit: Bools | None = None,
    ) -> Self:
        """Hits that passed exactly at the threshold, unless another value is given."""
        thresholds = np.broadcast_to(np.float64(threshold), mask.shape)
        return cls(
            mask=mask,
            observed=observed,
            threshold=thresholds,
            passes_at=thresholds if passes_at is None else passes_at,
            has_passes_at=mask,
            words=words,
            without_limit=without_limit,
        )

    def reason(self, row: int) -> str:
        """Why, in words; for a row that fired."""
        return self.words(row)[0]

    def counterfactual(self, row: int) -> str:
        """What would have passed, in words; for a row that fired."""
        return self.words(row)[1]


def _no_words(row: int) -> tuple[str, str]:
    raise IndexError(f"the rule did not fire on row {row}")
