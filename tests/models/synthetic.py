"""Made-up payments whose fraud can be learnt, and drifts a little with time."""

from collections.abc import Mapping

import numpy as np

from fraud.columns import Floats, NumberColumn, TextColumn
from models.training_set import TrainingSet

FEATURES = ("amount", "count_1h", "km_since_place", "hour", "noise")
DAY = 86_400_000_000


def training_set(rows: int = 6_000, seed: int = 1, fraud_per_payment: float = 0.03) -> TrainingSet:
    """Sixty days of payments: high amounts in quick succession are fraud, more of them later on; a tenth is absent."""
    random = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            random.lognormal(3, 1, rows),
            random.poisson(0.5, rows),
            random.exponential(40, rows),
            random.integers(0, 24, rows),
            random.normal(size=rows),
        ]
    ).astype(np.float64)
    times = np.sort(random.integers(0, 60 * DAY, rows))
    is_fraud = random.random(rows) < fraud_per_payment
    matrix[is_fraud, 0] *= random.lognormal(1.5 + times[is_fraud] / (60 * DAY), 0.5)
    matrix[is_fraud, 1] += random.poisson(3, int(is_fraud.sum()))
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    return TrainingSet(
        features=FEATURES,
        matrix=matrix,
        labels=is_fraud.astype(np.int8),
        times=times,
        users=random.integers(0, 500, rows).astype(np.uint64),
    )


class MatrixColumns:
    """`fraud.columns.Columns` over a matrix, NaN being absent."""

    def __init__(self, matrix: Floats, features: tuple[str, ...] = FEATURES) -> None:
        self._rows = len(matrix)
        self._numbers: Mapping[str, NumberColumn] = {
            name: NumberColumn(np.nan_to_num(column), ~np.isnan(column))
            for name, column in zip(features, matrix.T, strict=True)
        }

    def __len__(self) -> int:
        return self._rows

    def number(self, name: str) -> NumberColumn:
        return self._numbers[name]

    def text(self, name: str) -> TextColumn:
        raise KeyError(name)
