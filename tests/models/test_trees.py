import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from models.tail_bins import TailBins
from models.trees import BLOCK_ROWS, Trees


def fitted(rows=3_000, features=6, absent=0.1, seed=0, trees=25, leaves=31):
    """A matrix with absences and rare extremes, and a classifier that learnt something from it."""
    random = np.random.default_rng(seed)
    matrix = random.standard_t(2, size=(rows, features))
    matrix[:, 0] = np.round(np.abs(matrix[:, 0]))
    matrix[random.random(matrix.shape) < absent] = np.nan
    log_odds = np.nan_to_num(matrix[:, 0]) + 3 * (np.nan_to_num(matrix[:, 1]) > 2) - 2 + np.isnan(matrix[:, 2])
    labels = random.random(rows) < 1 / (1 + np.exp(-log_odds))
    bins = TailBins.fit(matrix)
    classifier = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, early_stopping=False, random_state=seed
    ).fit(bins.transform(matrix), labels)
    return matrix, bins, classifier


@pytest.fixture(scope="module")
def forest():
    return fitted()


def test_raw_scores_are_scikit_learns_bit_for_bit(forest):
    matrix, bins, classifier = forest

    raw = Trees.flatten(classifier, bins).raw_scores(matrix)

    assert len(np.unique(raw)) > 100
    assert np.array_equal(raw, classifier.decision_function(bins.transform(matrix)))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    absent=st.sampled_from([0.0, 0.3, 0.9]),
    leaves=st.sampled_from([2, 8, 64]),
)
def test_any_classifier_and_payments_never_seen_give_the_same_scores(seed, absent, leaves):
    matrix, bins, classifier = fitted(rows=400, features=4, absent=absent, seed=seed, trees=5, leaves=leaves)
    trees = Trees.flatten(classifier, bins)
    unseen = np.random.default_rng(seed + 1).standard_cauchy((200, 4)) * 3
    unseen[np.random.default_rng(seed + 2).random(unseen.shape) < 0.3] = np.nan
    unseen[:4] = np.array([[np.inf], [-np.inf], [0.0], [np.nan]])
    unseen[100:] = matrix[:100]

    assert np.array_equal(trees.raw_scores(unseen), classifier.decision_function(bins.transform(unseen)))


def test_scores_do_not_change_when_scikit_learn_looks_for_bins_in_a_sample():
    # It looks at 200,000 rows: rarer codes may then share a bin, and thresholds fall between codes.
    random = np.random.default_rng(3)
    matrix = random.lognormal(3, 2, size=(210_000, 1))
    labels = random.random(len(matrix)) < np.where(matrix[:, 0] > 2_000, 0.5, 0.01)
    bins = TailBins.fit(matrix)
    classifier = HistGradientBoostingClassifier(max_iter=3, early_stopping=False).fit(bins.transform(matrix), labels)

    raw = Trees.flatten(classifier, bins).raw_scores(matrix)

    assert np.array_equal(raw, classifier.decision_function(bins.transform(matrix)))


def test_absent_values_go_where_the_tree_says(forest):
    matrix, bins, classifier = forest
    trees = Trees.flatten(classifier, bins)
    all_absent = np.full((1, matrix.shape[1]), np.nan)

    assert {0, 1} == set((trees.nodes["look"] & 1).tolist()), "some absences go left and some right"
    assert trees.raw_scores(all_absent) == classifier.decision_function(bins.transform(all_absent))


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS + 2])
def test_a_batch_scores_its_rows_as_if_each_came_alone(forest, rows):
    matrix, bins, classifier = forest
    trees = Trees.flatten(classifier, bins)

    together = trees.raw_scores(matrix[:rows])
    alone = [trees.raw_scores(matrix[row : row + 1])[0] for row in range(rows)]

    assert together.tolist() == alone


def test_arrays_hold_everything_that_a_score_needs(forest):
    matrix, bins, classifier = forest
    trees = Trees.flatten(classifier, bins)

    again = Trees.of(trees.arrays())

    assert np.array_equal(again.raw_scores(matrix), trees.raw_scores(matrix))
