"""Calibration: from raw scores to probabilities, as knots of a monotone line, in whole micro-units.

A score is stored as an integer: 1,000,000 is certainty. Between two knots the line is straight, so the same raw score gives the
same integer on every machine. Fitted on a later slice of time than the trees were.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fraud.columns import Floats, Ints
from fraud.errors import ModelError

MICRO = 1_000_000
SIGMOID_REACH, SIGMOID_KNOTS = 16.0, 1025
"""A sigmoid is drawn from -16 to 16 log-odds, below and above which nothing but 0 and 1,000,000 is left to say."""


class Method(StrEnum):
    """How the line is fitted."""

    SIGMOID = "sigmoid"
    """Two parameters: keeps the order of all payments, and needs few frauds."""
    ISOTONIC = "isotonic"
    """Any monotone line; the frauds of the slice decide how fine. Payments beyond its last step are tied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Knots of a line that never falls; beyond its ends it stays level."""

    raw: Floats
    """float64, shape (knots,), strictly increasing: raw scores."""
    units: Ints
    """int64, shape (knots,), never decreasing, within 0..1,000,000."""

    @classmethod
    def fit(cls, method: Method, raw: Floats, labels: npt.NDArray[np.int8]) -> Self:
        """Fit to raw scores and labels (1 fraud, 0 not). Raises ModelError when higher scores do not mean more fraud."""
        raw_knots, probabilities = (_sigmoid if method is Method.SIGMOID else _isotonic)(raw, labels)
        if len(raw_knots) < 2:
            raise ModelError(
                "the model cannot be calibrated: on the later payments its scores say nothing; train on more history"
            )
        return cls(raw=raw_knots, units=np.rint(probabilities * MICRO).astype(np.int64))

    @classmethod
    def of(cls, arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The reverse of `arrays`; KeyError for arrays that are no calibration."""
        return cls(raw=arrays["raw"], units=arrays["units"])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that fixes the line, by name: what is saved, and what the model id is taken over."""
        return {"raw": self.raw, "units": self.units}

    def micro_units(self, raw: Floats) -> Ints:
        """Calibrated scores, int64 in 0..1,000,000, shape of `raw`. Element by element, so no batch cut changes one."""
        segment = np.clip(np.searchsorted(self.raw, raw, side="right") - 1, 0, len(self.raw) - 2)
        start, width = self.raw[segment], self.raw[segment + 1] - self.raw[segment]
        share = np.clip((raw - start) / width, 0.0, 1.0)
        rise = self.units[segment + 1] - self.units[segment]
        return np.rint(self.units[segment] + share * rise).astype(np.int64)


def _sigmoid(raw: Floats, labels: npt.NDArray[np.int8]) -> tuple[Floats, Floats]:
    """Platt scaling with his softened targets (Platt, Probabilistic Outputs for Support Vector Machines, 1999)."""
    frauds, others = int((labels == 1).sum()), int((labels == 0).sum())
    target = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (others + 2))
    twice = np.concatenate([raw, raw]).reshape(-1, 1)
    answers = np.repeat([1, 0], len(raw))
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(
        twice, answers, sample_weight=np.concatenate([target, 1 - target])
    )
    slope, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:
        return np.empty(0), np.empty(0)
    log_odds = np.linspace(-SIGMOID_REACH, SIGMOID_REACH, SIGMOID_KNOTS)
    return (log_odds - offset) / slope, 1 / (1 + np.exp(-log_odds))


def _isotonic(raw: Floats, labels: npt.NDArray[np.int8]) -> tuple[Floats, Floats]:
    """Isotonic steps, joined at their middles so that fewer payments are tied."""
    fitted = IsotonicRegression(out_of_bounds="clip").fit(raw, labels).predict(raw)
    levels, step, sizes = np.unique(fitted, return_inverse=True, return_counts=True)
    return np.bincount(step, weights=raw) / sizes, levels
