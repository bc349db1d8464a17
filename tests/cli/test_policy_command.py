"""`fraud policy hand-over`: an upgrade to another engine version, as an operator does it."""

import json

import pytest

from cli.connect import open_log
from cli.settings import Settings
from fraud.policy import ENGINE_VERSION, encode
from storage.logs.log import POLICIES
from storage.policies import read_timeline

OTHER = ENGINE_VERSION + 6


@pytest.fixture
def of_another_release(fraud):
    """A log whose last policy was published by another release; the answer is that policy."""
    assert fraud("init").code == 0
    log = open_log(Settings(_env_file=None))
    timeline = read_timeline(log)
    assert timeline.latest is not None
    theirs = timeline.latest.with_engine(OTHER).rebased(timeline.latest_offset)
    publisher = log.publisher()
    publisher.send(POLICIES, None, encode(theirs))
    publisher.close()
    log.close()
    return theirs


def test_a_handed_over_policy_is_the_last_one_and_keeps_its_rules(fraud, of_another_release):
    assert "run that release" in fraud("doctor").out

    outcome = fraud("policy", "hand-over", "--from-engine", str(OTHER), "--json")

    assert (outcome.code, outcome.err) == (0, "")
    shown = json.loads(fraud("policy", "show", "--json").out)["waiting"][-1]
    assert shown["hash"] == json.loads(outcome.out)["hash"] == of_another_release.with_engine(ENGINE_VERSION).hash
    assert shown["engine_version"] == ENGINE_VERSION
    assert shown["rules"] == of_another_release.rules.model_dump(mode="json")


def test_a_version_that_is_not_the_one_in_force_is_one_line(fraud, of_another_release):
    outcome = fraud("policy", "hand-over", "--from-engine", "3")

    assert outcome.code == 1
    assert outcome.err.strip() == f"fraud: the last policy is for engine version {OTHER}, not 3"
