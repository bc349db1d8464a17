import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.tail_bins import MAX_BINS, TailBins

numbers = st.one_of(st.just(float("nan")), st.integers(0, 5).map(float), st.floats(-1e9, 1e9))
matrices = hnp.arrays(np.float64, st.tuples(st.integers(0, 60), st.integers(1, 3)), elements=numbers)


def codes_of(fitted_on, values):
    column = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    return TailBins.fit(np.asarray(fitted_on, dtype=np.float64).reshape(-1, 1)).transform(column)[:, 0]


def test_the_rarest_amounts_do_not_share_one_bin():
    amounts = np.sort(np.random.default_rng(0).lognormal(3, 1.2, 100_000))

    codes = codes_of(amounts, amounts[-400:])

    assert len(np.unique(codes)) >= 15, "quantile bins would have put these 400 payments into one or two"


def test_the_smallest_amounts_do_not_share_one_bin_either():
    seconds = np.sort(np.random.default_rng(0).lognormal(9, 2, 100_000))

    assert len(np.unique(codes_of(seconds, seconds[:400]))) >= 5


def test_few_distinct_values_are_all_kept_apart():
    counts = np.repeat(np.arange(200.0), 10)

    assert codes_of(counts, np.arange(200.0)).tolist() == list(range(200))


def test_a_common_value_among_many_others_is_a_bin_of_its_own():
    prices = np.concatenate([np.full(5_000, 9.99), np.random.default_rng(0).normal(10, 3, 20_000)])

    below, own, above = codes_of(prices, [prices[prices < 9.99].max(), 9.99, prices[prices > 9.99].min()])

    assert below < own < above


@pytest.mark.parametrize(
    "known",
    [pytest.param(0, id="no known value"), pytest.param(19, id="one known value too few")],
)
def test_a_feature_that_is_almost_never_known_is_a_constant(known):
    column = np.full(1_000, np.nan)
    column[:known] = np.arange(known)

    assert codes_of(column, [np.nan, -1.0, 5.0, 1e9]).tolist() == [0.0] * 4


def test_infinite_values_get_the_outermost_codes():
    values = np.arange(1_000.0)

    assert codes_of(values, [-np.inf, np.inf]).tolist() == [codes_of(values, [0.0])[0], codes_of(values, [999.0])[0]]


@given(matrices)
def test_codes_keep_the_order_and_absent_stays_absent(matrix):
    rows = np.vstack([matrix] * 5)
    bins = TailBins.fit(rows)

    codes = bins.transform(rows)

    for feature, is_usable in enumerate(bins.usable):
        if is_usable:
            column, coded = rows[:, feature], codes[:, feature]
            assert np.array_equal(np.isnan(column), np.isnan(coded))
            order = np.argsort(column[~np.isnan(column)], kind="stable")
            assert (np.diff(coded[~np.isnan(coded)][order]) >= 0).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([300, 5_000]), st.sampled_from([0.0, 0.5, 0.99]))
def test_there_are_never_more_codes_than_the_learner_can_hold(seed, rows, common):
    random = np.random.default_rng(seed)
    values = np.where(random.random(rows) < common, random.integers(0, 70, rows), random.standard_cauchy(rows))

    bins = TailBins.fit(values.reshape(-1, 1))

    assert len(bins.edges[0]) < MAX_BINS
    assert (np.diff(bins.edges[0]) > 0).all()
    assert set(bins.edges[0]) <= set(values)


@given(st.integers(0, 2**32 - 1))
def test_a_threshold_on_codes_is_the_same_claim_on_raw_values(seed):
    random = np.random.default_rng(seed)
    values = np.round(random.standard_t(2, 2_000), 1).reshape(-1, 1)
    bins = TailBins.fit(values)
    codes = bins.transform(values)

    for code in (0.0, 0.5, 7.5, 100.0, float(codes.max()), np.inf):
        assert np.array_equal(codes <= code, values <= bins.threshold(0, code))
