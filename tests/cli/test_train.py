"""`fraud train` and `fraud model`: from Parquet history to a model in force."""

import json
import shutil

import pytest

from tests.models.histories import learnable, paid, written

AS_OF = ("--as-of", "2026-04-11", "--maturity", "10d")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return learnable(tmp_path_factory.mktemp("history"))


@pytest.fixture
def history(home, template):
    return shutil.copytree(template, home / "data")


def test_training_says_what_the_model_is_worth_and_how_to_put_it_in_force(fraud, history):
    outcome = fraud("train", *AS_OF, "--trees", "5")

    assert outcome.code == 0
    model_id = outcome.out.split()[1]
    assert (history / "objects" / model_id).is_file()
    assert "average precision" in outcome.out
    assert f"fraud model promote {model_id}" in outcome.out


def test_a_script_reads_the_card(fraud, history):
    outcome = fraud("train", *AS_OF, "--trees", "5", "--json")

    card = json.loads(outcome.out)
    assert outcome.err == ""
    assert card == {**json.loads((history / "objects" / f"{card['model_id']}.card.json").read_text()), "promoted": None}


def test_a_model_can_go_into_force_with_its_training_and_be_taken_back(fraud, history):
    fraud("init")

    card = json.loads(fraud("train", *AS_OF, "--trees", "5", "--promote", "--json").out)
    waiting = json.loads(fraud("policy", "show", "--json").out)["waiting"]
    back = json.loads(fraud("model", "rollback", "--json").out)
    again = json.loads(fraud("model", "promote", card["model_id"], "--json").out)

    assert card["promoted"]["published"]
    assert waiting[-1]["model"] == card["model_id"]
    assert back["model"] is None
    assert again["model"] == card["model_id"]


def test_without_as_of_the_last_payment_is_today(fraud, history):
    card = json.loads(fraud("train", "--maturity", "10d", "--trees", "5", "--json").out)

    assert card["history"]["as_of"].startswith("2026-03-16T22:48:00")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["train", "--as-of", "2026-13-01"], 2, "--as-of is '2026-13-01'", id="no such day"),
        pytest.param(["train", "--maturity", "soon"], 2, "--maturity is 'soon'", id="no duration"),
        pytest.param(["train", "--as-of", "2026-01-05"], 2, "no mature payment as of 2026-01-05", id="too early"),
        pytest.param(["train", "--maturity", "70d", "--as-of", "2026-03-17"], 2, "too little", id="too few frauds"),
        pytest.param(["train", "--data-dir", "/nowhere"], 2, "no history under /nowhere", id="no history"),
        pytest.param(["model", "promote", "newest"], 2, "'newest' is no model id", id="no model id"),
        pytest.param(["model", "promote", "0" * 64], 1, "is not under", id="no such model"),
    ],
)
def test_what_cannot_be_done_is_one_line(fraud, history, arguments, code, says):
    fraud("init")

    outcome = fraud(*arguments)

    assert outcome.code == code
    assert outcome.out == ""
    lines = [line for line in outcome.err.splitlines() if line.startswith("fraud:")]
    assert len(lines) == 1
    assert says in lines[0]


def test_training_needs_no_log_unless_it_promotes(fraud, history, monkeypatch):
    monkeypatch.setenv("FRAUD_LOG", "kafka://127.0.0.1:1")

    assert fraud("train", *AS_OF, "--trees", "5").code == 0


def test_a_history_without_any_report_is_too_little(fraud, home):
    written(home / "data", [paid(day) for day in range(100)])

    outcome = fraud("train", "--maturity", "10d")

    assert outcome.code == 2
    assert "0 known frauds" in outcome.err
