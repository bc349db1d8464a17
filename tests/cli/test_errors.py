"""Whatever a person gets wrong, or finds broken: one line that says what and what to do, an exit code, no traceback."""

import re

import pytest

NOBODY_LISTENS = "127.0.0.1:1"


def said(outcome):
    """The lines that say what is wrong; a traceback or nothing at all fails."""
    text = outcome.err
    assert "Traceback" not in text
    assert "fraud: unexpected" not in text
    lines = [line for line in text.splitlines() if re.match(r"fraud: ", line)]
    assert lines, outcome
    return lines


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(["doctor", "--jsn"], "--jsn", id="an option that is not there"),
        pytest.param(["docter"], "docter", id="a command that is not there"),
        pytest.param(["rules", "chek"], "chek", id="a command of a group that is not there"),
        pytest.param(["init", "--wait", "soon"], "--wait", id="a value of another kind"),
        pytest.param(["init", "--wait", "-1"], "--wait", id="a value out of range"),
        pytest.param(["init", "now"], "now", id="an argument too many"),
        pytest.param(["policy", "hand-over"], "--from-engine", id="an option that is missing"),
        pytest.param(["export", "--reason", "rain"], "'rain' is not one of", id="a value that is none of a set"),
        pytest.param(["model", "promote", "abc"], "abc", id="a model id that is none"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(fraud, arguments, names):
    outcome = fraud(*arguments)

    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1
    assert names in said(outcome)[0]
    assert "Value error" not in outcome.err


@pytest.mark.parametrize("arguments", [pytest.param([], id="alone"), pytest.param(["rules"], id="a group")])
def test_without_a_command_the_help_is_shown_with_exit_2(fraud, arguments):
    outcome = fraud(*arguments)

    assert outcome.code == 2
    assert outcome.err.startswith("Usage: fraud")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("FRAUD_PARTITIONS", "many", id="not a number"),
        pytest.param("FRAUD_PARTITIONS", "0", id="out of range"),
        pytest.param("FRAUD_LOG", "rabbit://somewhere", id="a log of an unknown kind"),
        pytest.param("FRAUD_GROUP", "../elsewhere", id="a group that is no folder of its own"),
        pytest.param("FRAUD_SECRETS_DIR", "not/there", id="a folder of secrets that is missing"),
    ],
)
def test_a_wrong_setting_is_named_with_exit_2(fraud, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)

    outcome = fraud("init")

    assert outcome.code == 2
    assert len(said(outcome)) == 1
    assert variable in said(outcome)[0]


@pytest.mark.slow
@pytest.mark.parametrize("command", [("policy", "show"), ("consume", "--wait", "0"), ("produce", "--duration", "1s")])
def test_a_broker_that_does_not_answer_is_named(fraud, monkeypatch, command):
    monkeypatch.setenv("FRAUD_LOG", f"kafka://{NOBODY_LISTENS}")

    outcome = fraud(*command)

    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert NOBODY_LISTENS in said(outcome)[0]


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(f"mongodb://fraud:topsecret@{NOBODY_LISTENS}/fraud", id="MongoDB", marks=pytest.mark.slow),
        pytest.param(f"postgresql+psycopg://fraud:topsecret@{NOBODY_LISTENS}/fraud", id="PostgreSQL"),
    ],
)
def test_a_store_that_does_not_answer_is_named_without_its_password(fraud, monkeypatch, store):
    monkeypatch.setenv("FRAUD_STORE", store)

    outcome = fraud("init")

    assert outcome.code == 1
    assert len(said(outcome)) == 1
    assert NOBODY_LISTENS in said(outcome)[0]
    assert "topsecret" not in outcome.out + outcome.err


@pytest.mark.parametrize("variable", ["FRAUD_LOG", "FRAUD_STORE"])
def test_a_place_that_cannot_be_written_is_named(fraud, home, monkeypatch, variable):
    (home / "file").write_text("in the way")
    monkeypatch.setenv(
        variable, {"FRAUD_LOG": "embedded:", "FRAUD_STORE": "sqlite:///"}[variable] + f"{home}/file/below"
    )

    outcome = fraud("init")

    assert outcome.code == 1
    assert len(said(outcome)) == 1
    assert f"{home}/file/below" in said(outcome)[0]


@pytest.mark.parametrize("content", [pytest.param(None, id="no file"), pytest.param(b"\xff\xfe", id="no text")])
@pytest.mark.parametrize("command", [("init",), ("train", "--as-of", "2025-12-31"), ("rules", "apply")])
def test_a_rules_file_that_cannot_be_read_is_named(fraud, home, monkeypatch, command, content):
    file = home / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("FRAUD_RULES_FILE", str(file))

    outcome = fraud(*command)

    assert outcome.code == 2
    assert len(said(outcome)) == 1
    assert said(outcome)[0].startswith(f"fraud: {file} cannot be read: ")


def test_a_traceback_is_shown_to_those_who_ask(fraud, monkeypatch):
    monkeypatch.setenv("FRAUD_LOG", "rabbit://somewhere")

    assert "Traceback" in fraud("init", "--debug").err
