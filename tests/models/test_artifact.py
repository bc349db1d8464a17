import dataclasses
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.errors import ModelError
from models import artifact
from models.artifact import Model
from models.calibration import Calibration
from models.train import Settings, train
from models.trees import Trees
from tests.models.synthetic import training_set

SMALL = Settings(trees=5, leaves=8)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained():
    return train(training_set(rows=2_000), SMALL)


@pytest.fixture
def stored(tmp_path, trained):
    artifact.save(tmp_path, trained.model, trained.estimator, trained.card)
    return tmp_path


def path_of(stored, trained):
    return stored / "objects" / trained.model.model_id


def test_a_stored_model_scores_as_the_trained_one(stored, trained):
    matrix = training_set(rows=500, seed=9).matrix

    loaded = artifact.load(stored, trained.model.model_id)

    assert loaded.features == trained.model.features
    assert np.array_equal(loaded.trees.raw_scores(matrix), trained.model.trees.raw_scores(matrix))
    assert np.array_equal(loaded.calibration.units, trained.model.calibration.units)


@pytest.mark.slow
def test_two_trainings_in_two_processes_give_one_model_id(trained):
    script = (
        "from tests.models.synthetic import training_set; from models.train import Settings, train; "
        "print(train(training_set(rows=2_000), Settings(trees=5, leaves=8)).model.model_id)"
    )

    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert told.strip() == trained.model.model_id


def test_saving_again_under_the_same_id_is_harmless(stored, trained):
    artifact.save(stored, trained.model, trained.estimator, trained.card)

    assert artifact.load(stored, trained.model.model_id).model_id == trained.model.model_id


@pytest.mark.parametrize("group", ["trees", "calibration"])
def test_any_change_of_any_array_is_another_model(trained, group):
    model = trained.model
    remake = {"trees": Trees.of, "calibration": Calibration.of}[group]
    arrays = getattr(model, group).arrays()
    ids = {model.model_id}

    for name, values in arrays.items():
        changed = values.copy()
        changed[-1] = np.nextafter(changed[-1], 0) if values.dtype.kind == "f" else changed[-1] ^ 1
        other = remake({**arrays, name: changed})
        ids.add(dataclasses.replace(model, **{group: other}).model_id)

    assert len(ids) == len(arrays) + 1


def test_the_same_trees_over_other_features_are_another_model(trained):
    swapped = dataclasses.replace(trained.model, features=trained.model.features[::-1])

    assert swapped.model_id != trained.model.model_id


def test_a_missing_model_is_one_line_that_says_where_it_should_be(tmp_path):
    with pytest.raises(ModelError, match=r"^model f{64} is not under .*/objects: .*$"):
        artifact.load(tmp_path, "f" * 64)


@pytest.mark.parametrize("name", ["", "newest", "../../etc/passwd", "F" * 64, "f" * 64 + "\n"])
def test_what_is_no_model_id_is_refused(tmp_path, name):
    with pytest.raises(ModelError, match="is no model id"):
        artifact.load(tmp_path, name)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a model", id="another file"),
        pytest.param(skops.io.dumps({"schema_version": 1}), id="fields missing"),
        pytest.param(skops.io.dumps([1, 2]), id="no fields"),
        pytest.param(skops.io.dumps({"schema_version": 1, "features": 3, "trees": 4, "calibration": 5}), id="numbers"),
    ],
)
def test_what_is_no_model_is_one_line(stored, trained, content):
    path_of(stored, trained).write_bytes(content)

    with pytest.raises(ModelError, match=r"^model [0-9a-f]{64} under .* is damaged: restore the file.*$"):
        artifact.load(stored, trained.model.model_id)


def test_a_file_of_a_newer_format_says_upgrade(stored, trained):
    path_of(stored, trained).write_bytes(skops.io.dumps({"schema_version": 2}))

    with pytest.raises(ModelError, match="format 2, this release reads 1: upgrade"):
        artifact.load(stored, trained.model.model_id)


def test_another_model_under_the_id_is_refused(stored, trained):
    other = train(training_set(rows=2_000, seed=2), SMALL)
    artifact.save(stored, other.model, other.estimator, other.card)
    path_of(stored, other).replace(path_of(stored, trained))

    with pytest.raises(ModelError, match="computes something else"):
        artifact.load(stored, trained.model.model_id)


@settings(max_examples=80, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.none() | st.integers(0, 7))
def test_a_damaged_file_is_an_error_or_the_same_model_never_another(tmp_path_factory, trained, place, bit):
    folder = tmp_path_factory.mktemp("damaged")
    artifact.save(folder, trained.model, trained.estimator, trained.card)
    content = bytearray(path_of(folder, trained).read_bytes())
    at = int(place * len(content))
    if bit is None:
        content = content[:at]
    else:
        content[at] ^= 1 << bit
    path_of(folder, trained).write_bytes(bytes(content))

    # A flipped bit may lie where nothing is read, such as a file's date.
    with suppress(ModelError):
        assert artifact.load(folder, trained.model.model_id).model_id == trained.model.model_id


def test_types_that_could_run_code_are_not_loaded(stored, trained):
    path_of(stored, trained).write_bytes(
        skops.io.dumps({"schema_version": 1, "features": trained.estimator.classifier})
    )

    with pytest.raises(ModelError, match="is damaged"):
        artifact.load(stored, trained.model.model_id)


def test_the_estimator_comes_back_for_notebooks(stored, trained):
    matrix = training_set(rows=500, seed=9).matrix

    estimator = artifact.load_estimator(stored, trained.model.model_id)

    raw = estimator.classifier.decision_function(estimator.bins.transform(matrix))
    assert np.array_equal(raw, trained.model.trees.raw_scores(matrix))


def test_an_estimator_with_other_trees_is_not_trusted(stored, trained):
    other = train(training_set(rows=2_000, seed=2), SMALL)
    artifact.save(stored, trained.model, other.estimator, trained.card)

    with pytest.raises(ModelError, match="the estimator stored with model"):
        artifact.load_estimator(stored, trained.model.model_id)


def test_the_card_lies_beside_the_model(stored, trained):
    card = artifact.load_card(stored, trained.model.model_id)

    assert card == json.loads(json.dumps(trained.card))
    assert card["model_id"] == trained.model.model_id


def test_a_model_is_named_by_what_it_computes_alone():
    data = training_set(rows=2_000)
    again = train(dataclasses.replace(data, users=data.users + np.uint64(1)), SMALL)

    assert isinstance(again.model, Model)
    assert again.model.model_id == train(data, SMALL).model.model_id
