"""From named columns to calibrated scores: what the engine calls for every batch."""

from pathlib import Path

import numpy as np

from fraud.columns import Columns, Floats, Ints, NumberColumn
from models import artifact
from models.artifact import Model

BLOCK_ROWS = 8_192
"""Rows assembled at a time: however long the batch, the matrix stays a few megabytes."""


class TreeScorer:
    """Scores payments with one model; the answer for a payment never depends on the batch around it."""

    def __init__(self, model: Model) -> None:
        """Take a model whose id was checked."""
        self.model_id = model.model_id
        self.features = model.features
        self._model = model

    @classmethod
    def load(cls, data_dir: str | Path, model_id: str) -> "TreeScorer":
        """The scorer of a stored model. Raises ModelError when it is missing, damaged or another one."""
        return cls(artifact.load(data_dir, model_id))

    def score(self, columns: Columns) -> Ints:
        """Micro-units, int64 in 0..1,000,000, shape (rows,). KeyError for a feature that the columns do not have."""
        named = [columns.number(name) for name in self.features]
        rows = len(columns)
        scores = np.empty(rows, dtype=np.int64)
        block = np.empty((min(rows, BLOCK_ROWS), len(named)))
        for first in range(0, rows, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, rows)
            matrix = block[: last - first]
            fill(matrix, named, first)
            scores[first:last] = self._model.calibration.micro_units(self._model.trees.raw_scores(matrix))
        return scores


def matrix_of(columns: Columns, features: tuple[str, ...]) -> Floats:
    """All rows as one matrix, shape (rows, features), NaN where absent: what a model is trained on."""
    matrix = np.empty((len(columns), len(features)))
    fill(matrix, [columns.number(name) for name in features], 0)
    return matrix


def fill(matrix: Floats, columns: list[NumberColumn], first: int) -> None:
    """Write the columns' rows from `first` on into the matrix, NaN where absent."""
    matrix.fill(np.nan)
    last = first + len(matrix)
    for place, column in enumerate(columns):
        np.copyto(matrix[:, place], column.values[first:last], where=column.present[first:last])
