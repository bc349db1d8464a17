import dataclasses

import pytest

from fraud.errors import ModelError, UsageError
from fraud.features import MODEL_FEATURES
from fraud.policy import Policy
from fraud.rule_set import RuleSet
from models import artifact
from models.promotion import promote, rollback
from models.train import Settings, train
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import POLICIES, Topic
from storage.policies import publish, read_timeline
from tests.models.synthetic import training_set

RULES = RuleSet(version=1, default_currency="EUR", rules=())


@pytest.fixture
def log(tmp_path):
    log = EmbeddedLog(tmp_path / "log")
    log.create([Topic(name=POLICIES, partitions=1, keep_for_ever=True)])
    yield log
    log.close()


@pytest.fixture
def started(log):
    publish(log, lambda _base: Policy(rules=RULES, watched_file="as it was"))
    return log


@pytest.fixture(scope="module")
def trained():
    names = MODEL_FEATURES[:5]
    return train(dataclasses.replace(training_set(rows=2_000), features=names), Settings(trees=2))


def stored(tmp_path, trained, **changed):
    """The id of a model like the trained one, saved; changed features make it another one."""
    model = dataclasses.replace(trained.model, **changed)
    artifact.save(tmp_path, model, trained.estimator, trained.card)
    return model.model_id


def models_in(log):
    return [policy.model for policy in read_timeline(log).policies]


def test_promoting_changes_nothing_of_the_policy_but_its_model(tmp_path, started, trained):
    [before] = read_timeline(started).policies

    published = promote(started, tmp_path, stored(tmp_path, trained))

    assert published.policy.model == trained.model.model_id
    assert published.policy.with_model(None).hash == before.hash
    assert published.policy.watched_file == "as it was"


def test_promoting_what_is_in_force_publishes_nothing(tmp_path, started, trained):
    model_id = stored(tmp_path, trained)
    promote(started, tmp_path, model_id)

    again = promote(started, tmp_path, model_id)

    assert not again.is_new
    assert models_in(started) == [None, model_id]


def test_nothing_is_published_for_a_model_that_is_missing(tmp_path, started):
    with pytest.raises(ModelError, match="is not under"):
        promote(started, tmp_path, "0" * 64)

    assert models_in(started) == [None]


def test_nothing_is_published_for_a_model_that_wants_unknown_features(tmp_path, started, trained):
    model_id = stored(tmp_path, trained, features=("amount", "star_sign", "hour", "weekday", "shoe_size"))

    with pytest.raises(ModelError, match="asks for shoe_size, star_sign"):
        promote(started, tmp_path, model_id)

    assert models_in(started) == [None]


def test_before_the_first_policy_there_is_nothing_to_promote_into(tmp_path, log, trained):
    with pytest.raises(UsageError, match="`fraud init`"):
        promote(log, tmp_path, stored(tmp_path, trained))


def test_rolling_back_goes_one_model_further_back_each_time(tmp_path, started, trained):
    first = stored(tmp_path, trained)
    second = stored(tmp_path, trained, features=MODEL_FEATURES[5:10])
    promote(started, tmp_path, first)
    promote(started, tmp_path, second)

    rollback(started, tmp_path)
    rollback(started, tmp_path)

    assert models_in(started) == [None, first, second, first, None]
    with pytest.raises(UsageError, match="no model is in force"):
        rollback(started, tmp_path)


def test_other_changes_of_the_policy_are_no_step_of_the_way_back(tmp_path, started, trained):
    promote(started, tmp_path, stored(tmp_path, trained))
    in_dollars = RULES.model_copy(update={"default_currency": "USD"})
    publish(started, lambda base: base.with_rules(in_dollars) if base else pytest.fail("no policy"))

    published = rollback(started, tmp_path)

    assert published.policy.model is None
    assert published.policy.default_currency == "USD"
