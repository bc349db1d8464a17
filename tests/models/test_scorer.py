import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.errors import ModelError
from models import artifact
from models.calibration import MICRO
from models.scorer import BLOCK_ROWS, TreeScorer, matrix_of
from models.train import Settings, train
from tests.models.synthetic import FEATURES, MatrixColumns, training_set

TRAINED = train(training_set(rows=2_000), Settings(trees=10))
MATRIX = training_set(rows=300, seed=5).matrix
SCORES = TreeScorer(TRAINED.model).score(MatrixColumns(MATRIX))


def test_scores_are_whole_micro_units():
    assert SCORES.dtype == np.int64
    assert 0 <= SCORES.min() < SCORES.max() <= MICRO


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(MATRIX)), max_size=8))
def test_any_cut_into_batches_gives_the_same_scores(cuts):
    scorer = TreeScorer(TRAINED.model)
    ends = [0, *sorted(cuts), len(MATRIX)]

    parts = [scorer.score(MatrixColumns(MATRIX[start:end])) for start, end in itertools.pairwise(ends)]

    assert np.concatenate(parts).tolist() == SCORES.tolist()


@pytest.mark.parametrize("rows", [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 5])
def test_long_batches_are_scored_as_short_ones(rows):
    matrix = np.resize(MATRIX, (rows, len(FEATURES)))

    assert TreeScorer(TRAINED.model).score(MatrixColumns(matrix)).tolist() == np.resize(SCORES, rows).tolist()


def test_an_empty_batch_has_no_scores():
    assert TreeScorer(TRAINED.model).score(MatrixColumns(MATRIX[:0])).tolist() == []


def test_columns_are_taken_by_name_not_by_place():
    shuffled = MatrixColumns(MATRIX[:, ::-1], FEATURES[::-1])

    assert TreeScorer(TRAINED.model).score(shuffled).tolist() == SCORES.tolist()


def test_absent_is_not_zero():
    absent = np.isnan(MATRIX)
    zeros = MatrixColumns(np.where(absent, 0.0, MATRIX))

    assert np.array_equal(np.isnan(matrix_of(MatrixColumns(MATRIX), FEATURES)), absent)
    assert TreeScorer(TRAINED.model).score(zeros).tolist() != SCORES.tolist()


def test_a_feature_that_nobody_computes_is_named():
    columns = MatrixColumns(MATRIX[:, 1:], FEATURES[1:])

    with pytest.raises(KeyError, match="amount"):
        TreeScorer(TRAINED.model).score(columns)


def test_a_stored_model_becomes_a_scorer(tmp_path):
    artifact.save(tmp_path, TRAINED.model, TRAINED.estimator, TRAINED.card)

    scorer = TreeScorer.load(tmp_path, TRAINED.model.model_id)

    assert (scorer.model_id, scorer.features) == (TRAINED.model.model_id, FEATURES)
    assert scorer.score(MatrixColumns(MATRIX)).tolist() == SCORES.tolist()
    with pytest.raises(ModelError):
        TreeScorer.load(tmp_path, "0" * 64)
