"""`fraud rules` and `fraud policy`, as an analyst runs them."""

import json

import pytest

from fraud.policy import file_hash
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import POLICIES, Topic

GOOD = """\
version: 1
default_currency: EUR
rules:
  - id: large
    kind: high_amount
    limit: {EUR: 1000}
"""


@pytest.fixture
def file(home):
    """A small rules file that is right."""
    path = home / "rules.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def log(home):
    """The log with the one topic that policies need."""
    log = EmbeddedLog(home / "log")
    log.create([Topic(name=POLICIES, partitions=1, keep_for_ever=True)])
    yield log
    log.close()


def test_check_says_each_rule_in_words(fraud, file):
    outcome = fraud("rules", "check", str(file))

    assert outcome.code == 0
    assert "large (medium, live): payments of more than 1,000.00 EUR; other currencies never" in outcome.out


def test_check_takes_the_shipped_file_by_default(fraud):
    outcome = fraud("rules", "check", "--json")

    assert outcome.code == 0
    assert {rule["id"] for rule in json.loads(outcome.out)["rules"]} >= {"high-amount", "geo-mismatch"}


def test_check_says_one_line_for_each_mistake(fraud, file):
    file.write_text(GOOD.replace("limit:", "limits:") + "  - {id: large, kind: high_frequent}\n")

    outcome = fraud("rules", "check", str(file))

    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.splitlines() == [
        f"{file}:6: rules[0].limits: unknown field, did you mean limit?",
        f"{file}:7: rules[1]: unknown kind high_frequent, did you mean high_frequency?",
        f"{file}:7: rules[1].id: 'large' is already the id of rules[0]",
    ]


def test_check_tells_mistakes_to_scripts(fraud, file):
    file.write_text("version: 2\n")

    outcome = fraud("rules", "check", str(file), "--json")

    assert outcome.code == 2
    assert len(json.loads(outcome.out)["problems"]) == 3


@pytest.mark.parametrize("command", ["check", "apply"])
def test_a_file_that_cannot_be_read_is_named(fraud, home, command):
    outcome = fraud("rules", command, str(home / "nowhere.yaml"))

    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1
    assert "nowhere.yaml cannot be read" in outcome.err


def test_apply_publishes_and_show_tells_it(fraud, file, log):
    applied = fraud("rules", "apply", str(file), "--json")
    shown = fraud("policy", "show", "--json")

    said = json.loads(applied.out)
    assert (said["published"], said["offset"]) == (True, 0)
    (waiting,) = json.loads(shown.out)["waiting"]  # for ten seconds
    assert (waiting["hash"], waiting["effective_from"]) == (said["hash"], said["effective_from"])
    assert waiting["rules"]["rules"][0]["limit"] == {"EUR": 1000}
    assert json.loads(shown.out)["in_force"] is None


def test_apply_twice_sends_once(fraud, file, log):
    fraud("rules", "apply", str(file))

    again = fraud("rules", "apply", str(file))

    assert again.out.startswith("nothing to do: policy ")
    assert log.bounds(POLICIES, 0) == (0, 1)


def test_apply_of_a_bad_file_publishes_nothing(fraud, file, log):
    file.write_text(GOOD.replace("1000", "-1"))

    outcome = fraud("rules", "apply", str(file))

    assert outcome.code == 2
    assert f"{file}:6: rules[0].limit: EUR: -1 must be" in outcome.err
    assert log.bounds(POLICIES, 0) == (0, 0)


def test_only_the_watched_file_leaves_its_hash(fraud, file, log, home, monkeypatch):
    watched = home / "watched.yaml"
    watched.write_text(GOOD.replace("1000", "900"))
    monkeypatch.setenv("FRAUD_RULES_FILE", str(watched))
    fraud("rules", "apply")
    fraud("rules", "apply", str(file))

    policies = json.loads(fraud("policy", "show", "--json").out)["waiting"]

    assert [policy["rules"]["rules"][0]["limit"]["EUR"] for policy in policies] == [900, 1000]
    assert {policy["watched_file"] for policy in policies} == {file_hash(watched.read_text())}


def test_show_says_when_nothing_decides_and_what_is_void(fraud, log):
    publisher = log.publisher()
    publisher.send(POLICIES, None, b"nonsense")
    publisher.close()

    outcome = fraud("policy", "show")

    assert outcome.out.splitlines() == [
        "no policy is in force yet: payments are counted, not decided",
        "void      offset 0: it is not JSON",
    ]


def test_schema_is_json_for_editors(fraud):
    outcome = fraud("rules", "schema")

    assert json.loads(outcome.out)["properties"]["rules"]["type"] == "array"
