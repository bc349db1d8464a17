"""Fit a calibration: how often payments with such a raw score turned out to be fraud, on a later slice than the trees saw."""

from enum import StrEnum

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fraud.columns import Floats
from fraud.errors import ModelError
from models.calibration import MICRO, Calibration

SIGMOID_REACH, SIGMOID_KNOTS = 16.0, 1025
"""A sigmoid is drawn from -16 to 16 log-odds; beyond, nothing but 0 and 1,000,000 is left to say."""


class Method(StrEnum):
    """How the line is fitted."""

    SIGMOID = "sigmoid"
    """Two parameters: keeps the order of all payments, and needs few frauds."""
    ISOTONIC = "isotonic"
    """Any monotone line; the frauds of the slice decide how fine. Payments beyond its last step are tied."""


def calibrate(method: Method, raw: Floats, labels: npt.NDArray[np.int8]) -> Calibration:
    """Fit to raw scores and labels (1 fraud, 0 not). Raises ModelError when higher scores do not mean more fraud."""
    raw_knots, probabilities = (_sigmoid if method is Method.SIGMOID else _isotonic)(raw, labels)
    if len(raw_knots) < 2:
        raise ModelError(
            "the model cannot be calibrated: its scores say nothing about later payments; train on more history"
        )
    return Calibration(raw=raw_knots, units=np.rint(probabilities * MICRO).astype(np.int64))


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
