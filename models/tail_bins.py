"""Tail-resolving bins: rank codes that keep rare extremes apart, for a learner that cuts each feature into 255 bins.

Histogram boosting places its bins at quantiles, so the highest 0.4 % of the payments, where most fraud lies, share one bin.
Here every common value gets a bin of its own, and of the remaining bins a share halves its way into each tail, down to a few
rows a bin. The codes 0..253 then pass through the learner's own binning one to one.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from fraud.columns import Floats

MAX_BINS = 254
"""Codes a feature may have; scikit-learn keeps 255 apart, and one more for the absent."""
COMMON_SHARE = 1 / 64
"""A value this frequent among a feature's known values is a bin of its own."""
UPPER_SHARE, LOWER_SHARE = 0.3, 0.15
"""Of the bins for uncommon values, how many lie in each tail."""
TAIL_MASS = 1 / 64
"""The share of the uncommon values that a tail takes apart."""
FLOOR_ROWS = 20
ROWS_PER_FLOOR = 20_000
"""A tail bin holds at least 20 rows and one in 20,000: scikit-learn looks for its bins in 200,000 rows and must meet each."""


@dataclass(frozen=True, slots=True)
class TailBins:
    """Edges by feature. The code of x is the number of edges below it: x <= edges[code], and x > edges[code - 1]."""

    edges: tuple[Floats, ...]
    """One array a feature, strictly increasing, at most 253 long; every edge is a value that was seen."""
    usable: tuple[bool, ...]
    """False for a feature with (almost) no known value: it is a constant to the learner."""

    @classmethod
    def fit(cls, matrix: Floats) -> Self:
        """Place the edges on a matrix, shape (rows, features), NaN where absent."""
        floor = _floor(len(matrix))
        known = [np.sort(column[np.isfinite(column)]) for column in matrix.T]
        usable = tuple(len(values) >= floor for values in known)
        edges = tuple(
            _edges(values, floor) if is_usable else np.empty(0) for values, is_usable in zip(known, usable, strict=True)
        )
        return cls(edges, usable)

    def transform(self, matrix: Floats) -> Floats:
        """Codes as float64, shape of `matrix`; NaN stays NaN, and an unusable feature is 0 throughout."""
        codes = np.empty(matrix.shape)
        for feature, (edges, is_usable) in enumerate(zip(self.edges, self.usable, strict=True)):
            column = matrix[:, feature]
            codes[:, feature] = np.where(np.isnan(column), np.nan, np.searchsorted(edges, column)) if is_usable else 0.0
        return codes

    def threshold(self, feature: int, code: float) -> float:
        """The raw value t for which "code of x <= code" and "x <= t" are the same claim."""
        edges = self.edges[feature]
        return float(edges[int(code)]) if code < len(edges) else float("inf")


def _floor(rows: int) -> int:
    return max(FLOOR_ROWS, rows // ROWS_PER_FLOOR)


def _edges(values: Floats, floor: int) -> Floats:
    """Edges for one feature's known values, sorted."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= MAX_BINS:
        every: Floats = distinct[:-1]
        return every
    is_common = counts >= COMMON_SHARE * len(values)
    places = np.flatnonzero(is_common)
    # A bin of its own lies between two edges: the value below it, and itself.
    own = distinct[np.unique(np.concatenate([places[places > 0] - 1, places]))]
    uncommon = np.repeat(distinct[~is_common], counts[~is_common])
    cuts = _quantiles(uncommon, MAX_BINS - 1 - len(own), floor)
    edges = np.unique(np.concatenate([own, cuts]))
    below_last: Floats = edges[edges < distinct[-1]]
    return below_last


def _quantiles(values: Floats, bins: int, floor: int) -> Floats:
    """At most `bins` cuts of sorted values: even in the middle, ever finer towards both ends."""
    rows = len(values)
    upper, lower = int(bins * UPPER_SHARE), int(bins * LOWER_SHARE)
    middle = np.linspace(TAIL_MASS, 1 - TAIL_MASS, bins - upper - lower) * rows
    cuts = np.concatenate([_halvings(rows, floor, lower), middle, rows - _halvings(rows, floor, upper)])
    ranks = np.clip(np.rint(cuts).astype(np.int64), 1, rows) - 1
    placed: Floats = values[np.unique(ranks)]
    return placed


def _halvings(rows: int, floor: int, steps: int) -> Floats:
    """Tail sizes in rows, from the floor up to TAIL_MASS in equal ratios, without the last."""
    largest = max(rows * TAIL_MASS, float(floor))
    return np.geomspace(floor, largest, steps, endpoint=False)
