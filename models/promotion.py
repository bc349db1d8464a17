"""Which model acts is part of the policy: promoting one, and going back, publish the next policy in the log."""

from pathlib import Path

from fraud.errors import ModelError, UsageError
from fraud.features import MODEL_FEATURES
from fraud.policy import Policy
from models import artifact
from storage.logs.log import Log
from storage.policies import Published, publish, read_timeline

NOTHING_YET = "no policy is in the log yet: `fraud init` publishes the first"


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
    return publish(log, lambda base: _based(base).with_model(model_id))


def rollback(log: Log, data_dir: str | Path) -> Published:
    """Let the model act that acted before the present one; before the first one, rules alone.

    Raises UsageError when no model acts, ModelError when the earlier one is not there any more.
    """
    timeline = read_timeline(log)
    policies = [timeline.policy(index) for index in range(len(timeline)) if not timeline.is_foreign(index)]
    acting = _based(policies[-1] if policies else None).model
    if acting is None:
        raise UsageError("no model acts, so there is none to take back")
    earlier = _before(policies, acting)
    if earlier is not None:
        return promote(log, data_dir, earlier)
    return publish(log, lambda base: _based(base).with_model(None))


def _before(policies: list[Policy], acting: str) -> str | None:
    """The model of the last policy before those that name the acting one."""
    return next((policy.model for policy in reversed(policies) if policy.model != acting), None)


def _based(base: Policy | None) -> Policy:
    if base is None:
        raise UsageError(NOTHING_YET)
    return base
