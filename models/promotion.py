"""Which model acts is part of the policy: promoting one, and going back, publish the next policy in the log."""

from collections.abc import Sequence
from pathlib import Path

from fraud.errors import ModelError, UsageError
from fraud.features import MODEL_FEATURES
from fraud.policy import Policy
from models import artifact
from storage.logs.log import Log
from storage.policies import Published, publish, read_timeline


def promote(log: Log, data_dir: str | Path, model_id: str) -> Published:
    """Let a stored model score. Raises ModelError when it is missing, damaged or asks for features that nobody computes.

    Only the model of the policy changes. UsageError where no policy is in the log.
    """
    model = artifact.load(data_dir, model_id)
    unknown = sorted(set(model.features) - set(MODEL_FEATURES))
    if unknown:
        raise ModelError(
            f"model {model_id[:12]} asks for {', '.join(unknown)}, which this release does not compute: train again"
        )
    return publish(log, lambda base: _existing(base).with_model(model_id))


def rollback(log: Log, data_dir: str | Path) -> Published:
    """Let the model act that acted before the present one; before the first one, rules alone. Again: one further back.

    Raises UsageError when no model acts, ModelError when the earlier one is not there any more.
    """
    policies = read_timeline(log).policies
    acting = _existing(policies[-1] if policies else None).model
    if acting is None:
        raise UsageError("no model is in force, so there is none to take back")
    earlier = _way(policies)[-2]
    return promote(log, data_dir, earlier) if earlier else publish(log, lambda base: _existing(base).with_model(None))


def _way(policies: Sequence[Policy]) -> list[str | None]:
    """The models that led to the present one, without detours that were taken back; it begins with rules alone."""
    way: list[str | None] = [None]
    for policy in policies:
        if len(way) > 1 and policy.model == way[-2]:
            way.pop()
        elif policy.model != way[-1]:
            way.append(policy.model)
    return way


def _existing(base: Policy | None) -> Policy:
    if base is None:
        raise UsageError("no policy is in the log yet: `fraud init` publishes the first")
    return base
