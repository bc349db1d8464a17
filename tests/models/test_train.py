import dataclasses
import json

import numpy as np
import pytest

from fraud.errors import UsageError
from models.calibrating import Method
from models.calibration import MICRO
from models.train import Settings, train
from tests.models.synthetic import DAY, training_set

SMALL = Settings(trees=20, leaves=8)


@pytest.fixture(scope="module")
def trained():
    return train(training_set(), SMALL)


def test_a_model_finds_fraud_that_amounts_alone_do_not(trained):
    metrics = trained.card["metrics"]

    assert metrics["average_precision"] > metrics["average_precision_of_amount_alone"] + 0.05
    assert metrics["auc"] > 0.85
    assert 0 < metrics["card_precision_100"] <= metrics["card_precision_100_ceiling"] <= 1


def test_scores_are_calibrated_on_later_payments(trained):
    metrics = trained.card["metrics"]

    assert metrics["mean_score"] == pytest.approx(metrics["fraud_share"], rel=0.35)


def test_trees_never_see_a_payment_as_late_as_those_they_are_calibrated_or_measured_on(trained):
    slices = trained.card["slices"]

    assert slices["train"]["to"] < slices["calibrate"]["from"]
    assert slices["calibrate"]["to"] < slices["test"]["from"]
    assert sum(part["payments"] for part in slices.values()) == 6_000


def test_later_labels_do_not_change_the_trees(trained):
    data = training_set()
    last = data.times >= np.quantile(data.times, 0.8)
    turned = dataclasses.replace(data, labels=np.where(last, 1 - data.labels, data.labels).astype(np.int8))

    assert train(turned, SMALL).model.model_id == trained.model.model_id


def test_payments_of_one_moment_stay_in_one_slice():
    data = training_set(rows=3_000)
    whole_days = dataclasses.replace(data, times=data.times // (10 * DAY) * (10 * DAY))

    slices = train(whole_days, SMALL).card["slices"]

    assert slices["train"]["to"] < slices["calibrate"]["from"] <= slices["calibrate"]["to"] < slices["test"]["from"]


def test_the_order_of_rows_at_different_times_does_not_matter_for_the_slices():
    data = training_set(rows=3_000)
    backwards = dataclasses.replace(
        data, matrix=data.matrix[::-1], labels=data.labels[::-1], times=data.times[::-1], users=data.users[::-1]
    )

    assert train(backwards, SMALL).card["slices"] == train(data, SMALL).card["slices"]


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(lambda n: np.zeros(n), id="no fraud"),
        pytest.param(lambda n: np.ones(n), id="nothing but fraud"),
        pytest.param(lambda n: np.arange(n) < n * 0.5, id="no fraud in the later slices"),
        pytest.param(lambda n: np.arange(n) % (n // 12) == 0, id="a dozen frauds"),
    ],
)
def test_too_little_to_learn_from_is_one_line(labels):
    data = training_set(rows=2_000)

    with pytest.raises(
        UsageError, match=r"^too little to learn from: \d+ known frauds among .*; bring more history.*$"
    ):
        train(dataclasses.replace(data, labels=labels(2_000).astype(np.int8)), SMALL)


def test_no_payment_at_all_is_the_same_line():
    with pytest.raises(UsageError, match="0 known frauds among 0"):
        train(training_set(rows=2_000).where(np.zeros(2_000, dtype=np.bool_)), SMALL)


def test_a_feature_that_is_never_known_does_no_harm():
    data = training_set()
    matrix = data.matrix.copy()
    matrix[:, 2] = np.nan

    metrics = train(dataclasses.replace(data, matrix=matrix), SMALL).card["metrics"]

    assert metrics["auc"] > 0.85


def test_isotonic_calibration_is_an_option():
    trained = train(training_set(), dataclasses.replace(SMALL, calibration=Method.ISOTONIC))

    assert trained.card["calibration"]["method"] == "isotonic"
    assert trained.model.calibration.units.max() <= MICRO


def test_the_card_is_plain_json_and_names_what_made_the_model(trained):
    card = json.loads(json.dumps(trained.card, allow_nan=False))

    assert card["model_id"] == trained.model.model_id
    assert card["features"] == list(trained.model.features)
    assert set(card["versions"]) >= {"scikit-learn", "skops", "numba"}
