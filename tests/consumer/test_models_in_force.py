"""The model that a policy names scores or the consumer leaves: nothing is decided without it, and nothing is passed over."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from fraud.errors import ModelError
from fraud.features import MODEL_FEATURES
from models import artifact
from models.train import Settings, TrainedModel, train
from tests.consumer.roads import Road
from tests.consumer.test_loop import payments
from tests.models.synthetic import training_set


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    made = dataclasses.replace(training_set(rows=2_000), features=MODEL_FEATURES[:5])
    with threadpool_limits(1):
        return train(made, Settings(trees=2))


def keep(road: Road, trained: TrainedModel) -> Path:
    artifact.save(road.settings.data_dir, trained.model, trained.estimator, trained.card)
    return Path(road.settings.data_dir) / artifact.FOLDER / trained.model.model_id


def send_all(road: Road, trained: TrainedModel) -> int:
    """Payments under rules alone, then under a model as well."""
    road.policy()
    sent = road.send(payments(20), seconds=21)
    road.policy(change=lambda policy: policy.with_model(trained.model.model_id))
    return sent + road.send(payments(30, first=20), seconds=21)


def without_clock(flags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in flag.items() if name != "decided_at"} for flag in flags]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda file: file.unlink(), "is not under", id="missing"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes()[:-100]), "is damaged", id="cut short"),
    ],
)
def test_a_model_that_cannot_be_had_ends_the_consumer_which_goes_on_once_it_is_there(
    tmp_path: Path, trained: TrainedModel, spoil: Any, said: str
) -> None:
    whole, road = Road(tmp_path / "whole"), Road(tmp_path / "spoilt")
    keep(whole, trained)
    whole.consume(records=send_all(whole, trained))
    spoil(keep(road, trained))
    sent = send_all(road, trained)

    with pytest.raises(ModelError, match=said):
        road.consume(records=sent)
    left = road.flags()
    keep(road, trained)
    road.consume(records=sent - committed(road))

    assert [flag["score"] for flag in left if flag["score"] is not None] == []
    assert without_clock(road.flags()) == without_clock(whole.flags())
    assert any(flag["score"] is not None for flag in road.flags())
    assert road.minutes() == whole.minutes()


def committed(road: Road) -> int:
    """Records that the group need not read again."""
    loop = road.consumer(records=0)
    try:
        return sum(loop.reader.committed(partition) or 0 for partition in range(road.settings.partitions))
    finally:
        loop.close()
