"""Train a first model on a point-in-time matrix: trees on the oldest payments, calibration on later ones, figures on the last.

Never a random split, no class weights and no resampling: both would ruin the calibration, and gain nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from fraud.decision import moment
from fraud.errors import UsageError
from models import artifact, evaluate, point_in_time
from models.artifact import Estimator, Model
from models.calibrating import Method, calibrate
from models.calibration import MICRO
from models.point_in_time import Sight
from models.tail_bins import TailBins
from models.training_set import TrainingSet
from models.trees import Trees

LIBRARIES = ("fraudstream", "scikit-learn", "skops", "numba", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train. The defaults are what `fraud train` uses."""

    trees: int = 100
    learning_rate: float = 0.05
    leaves: int = 8
    rows_per_leaf: int = 20
    l2: float = 1.0
    calibration: Method = Method.SIGMOID
    train_share: float = 0.6
    """Of the payments in order of time, what the trees see."""
    calibrate_share: float = 0.2
    """The payments after those, for the calibration; the rest is the test."""
    seed: int = 0
    threads: int = 1
    """One adds up in one order: with it the same data gives the same model id on every run, whatever the cores."""


DEFAULTS = Settings()
NEEDED = {"train": 20, "calibrate": 5, "test": 1}
"""Frauds (and as many others) without which a slice says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model, the estimator behind it, and what is to be known about it."""

    model: Model
    estimator: Estimator
    card: dict[str, Any]
    """Plain values for JSON."""


def train_on_history(
    data_dir: str | Path,
    sight: Sight,
    settings: Settings = DEFAULTS,
    on_progress: Callable[[int], None] | None = None,
) -> TrainedModel:
    """Train on Parquet history and its labels, and save the model with its card under `objects/`.

    Deterministic: the same files, sight and settings give the same model id. Raises UsageError when there is no history or too
    little known fraud in it, ModelError when nothing was learnt.
    """
    return train_and_save(data_dir, point_in_time.load(data_dir, sight, on_progress), sight, settings)


def train_and_save(
    data_dir: str | Path, data: TrainingSet, sight: Sight, settings: Settings = DEFAULTS
) -> TrainedModel:
    """The second half of `train_on_history`, for who shows progress between the two."""
    trained = train(data, settings)
    card = trained.card | {"history": sight.described()}
    artifact.save(data_dir, trained.model, trained.estimator, card)
    return replace(trained, card=card)


def train(data: TrainingSet, settings: Settings = DEFAULTS) -> TrainedModel:
    """Fit, calibrate and measure. Raises UsageError when a slice holds too few frauds, ModelError when nothing was learnt."""
    slices = _split(data, settings)
    bins = TailBins.fit(slices["train"].matrix)
    classifier = _fit(slices["train"], bins, settings)
    trees = Trees.flatten(classifier, bins)
    later = slices["calibrate"]
    calibration = calibrate(settings.calibration, trees.raw_scores(later.matrix), later.labels)
    model = Model(features=data.features, trees=trees, calibration=calibration)
    card = {
        "model_id": model.model_id,
        "features": list(data.features),
        "settings": asdict(settings),
        "slices": {name: _described(part) for name, part in slices.items()},
        "calibration": {"method": str(settings.calibration), "knots": len(calibration.raw)},
        "metrics": figures(slices["test"], model),
        "versions": {name: version(name) for name in LIBRARIES},
    }
    return TrainedModel(model=model, estimator=Estimator(classifier=classifier, bins=bins), card=card)


def figures(data: TrainingSet, model: Model) -> dict[str, Any]:
    """What the model alone is worth on payments it has not seen, without any rule."""
    scores = model.calibration.micro_units(model.trees.raw_scores(data.matrix))
    probabilities = scores / MICRO
    cards = evaluate.card_precision(data.users, data.times, data.labels, scores)
    return {
        "average_precision": evaluate.average_precision(data.labels, scores),
        "average_precision_of_amount_alone": _amount_alone(data),
        "auc": evaluate.auc(data.labels, scores),
        "card_precision_100": cards.precision,
        "card_precision_100_ceiling": cards.ceiling,
        "brier": evaluate.brier(data.labels, probabilities),
        "fraud_share": float(data.labels.mean()),
        "mean_score": float(probabilities.mean()),
        "calibration": evaluate.calibration_table(data.labels, probabilities),
    }


def _amount_alone(data: TrainingSet) -> float | None:
    """What ranking by amount would reach: near the model's figure, the frauds are too easy."""
    if "amount" not in data.features:
        return None
    return evaluate.average_precision(data.labels, np.nan_to_num(data.matrix[:, data.features.index("amount")]))


def _split(data: TrainingSet, settings: Settings) -> Mapping[str, TrainingSet]:
    """Cut at moments, so that payments of one moment stay together. Raises UsageError when a slice is too poor."""
    times = np.sort(data.times)
    places = np.array([settings.train_share, settings.train_share + settings.calibrate_share]) * len(times)
    first, second = times[np.minimum(places.astype(np.int64), len(times) - 1)] if len(times) else (0, 0)
    masks = {
        "train": data.times < first,
        "calibrate": (data.times >= first) & (data.times < second),
        "test": data.times >= second,
    }
    slices = {name: data.where(mask) for name, mask in masks.items()}
    for name, part in slices.items():
        frauds = int(part.labels.sum())
        if min(frauds, len(part.labels) - frauds) < NEEDED[name]:
            raise UsageError(
                f"too little to learn from: {frauds} known frauds among {len(part.labels)} mature payments to {name} on, "
                f"needed are {NEEDED[name]} of each kind; bring more history, or a shorter --maturity"
            )
    return slices


def _fit(data: TrainingSet, bins: TailBins, settings: Settings) -> HistGradientBoostingClassifier:
    classifier = HistGradientBoostingClassifier(
        max_iter=settings.trees,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.rows_per_leaf,
        l2_regularization=settings.l2,
        max_bins=255,
        early_stopping=False,
        random_state=settings.seed,
    )
    with threadpool_limits(settings.threads, user_api="openmp"):
        return classifier.fit(bins.transform(data.matrix), data.labels)


def _described(data: TrainingSet) -> dict[str, Any]:
    return {
        "from": moment(int(data.times.min())).isoformat(),
        "to": moment(int(data.times.max())).isoformat(),
        "payments": len(data.labels),
        "frauds": int(data.labels.sum()),
        "users": len(np.unique(data.users)),
    }
