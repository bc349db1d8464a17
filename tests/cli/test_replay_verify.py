"""`fraud replay --verify` as an operator runs it: lines, JSON, exit codes."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders import transaction
from tests.consumer.roads import Road


@pytest.fixture
def road(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Road:
    """Forty payments, decided and archived, in the places that the settings name."""
    road = Road(home)
    monkeypatch.setenv("FRAUD_DATA_DIR", str(road.archive_folder("fraud")))
    road.policy()
    sent = road.send(
        [
            transaction(transaction_id=f"t-{number}", user_id=f"u-{number % 3}", after=number * 20, amount=number * 5.0)
            for number in range(40)
        ],
        seconds=20,
    )
    road.consume(records=sent)
    road.archive("fraud", records=sent, at_once=sent)
    capsys.readouterr()  # what the loops said is not the command's
    return road


def without_a_flag(road: Road) -> str:
    """Delete one; its id."""
    flag_id: str = road.flags()[3]["_id"]
    with closing(sqlite3.connect(Path(road.settings.data_dir) / "flags.db")) as connection, connection:
        connection.execute("DELETE FROM flags WHERE id = ?", (flag_id,))
    return flag_id


def test_all_equal_is_said_with_counts_and_exit_0(fraud, road):
    outcome = fraud("replay", "--verify")

    flags = len(road.flags())
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    assert lines[0] == "40 offsets of 2 partitions, decided by group `fraud`, looked at again"
    assert f"flags: {flags} equal, 0 missing, 0 extra, 0 different" in lines
    assert lines[-1] == "verdict: equal"


def test_a_difference_is_named_with_exit_1(fraud, road):
    flag_id = without_a_flag(road)

    outcome = fraud("replay", "--verify", "--partition", "0", "--partition", "1")

    assert outcome.code == 1
    assert f"  missing: {flag_id} (transactions-" in outcome.out
    assert outcome.out.splitlines()[-1] == "verdict: different"


def test_scripts_read_json(fraud, road):
    flag_id = without_a_flag(road)

    outcome = fraud("replay", "--verify", "--json")

    said = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (1, "")
    assert list(said) == [
        *("verdict", "log_id", "group", "partitions"),
        *("comparisons", "not_verifiable", "pending"),
    ]
    assert said["verdict"] == "different"
    assert sum(one["to_offset"] - one["from_offset"] for one in said["partitions"]) == 40
    assert [one["what"] for one in said["comparisons"]] == ["flags", "minute counters", "archived decisions"]
    flags = said["comparisons"][0]
    assert {kind: flags[kind] for kind in ("missing", "extra", "different")} == {
        "missing": 1,
        "extra": 0,
        "different": 0,
    }
    assert flags["examples"]["missing"][0].startswith(flag_id)


def test_either_side_may_be_left_out(fraud, road):
    without_a_flag(road)

    assert fraud("replay", "--verify", "--no-store").code == 0
    assert fraud("replay", "--verify", "--no-archive").code == 1


def test_a_part_may_be_asked_for(fraud, road):
    outcome = fraud("replay", "--verify", "--since", "2026-03-02T12:05:00Z", "--until", "2026-03-02T12:09:00Z")
    offsets = fraud("replay", "--verify", "--partition", "0", "--from-offset", "2", "--to-offset", "6")

    assert (outcome.code, offsets.code) == (0, 0)
    assert outcome.out.startswith("12 offsets of 2 partitions")
    assert offsets.out.startswith("4 offsets of 1 partition,")


def test_a_log_of_nothing_decided_exits_with_2(fraud, home):
    assert fraud("init").code == 0

    outcome = fraud("replay", "--verify")

    assert outcome.code == 2
    assert "not verifiable: group `fraud` has committed nothing" in outcome.out


def test_a_log_that_cannot_be_read_exits_with_2_and_one_line(fraud, home):
    outcome = fraud("replay", "--verify")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("fraud: the log in ")
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(["--verify", "--dlq"], "fraud replay --verify", id="two things at once"),
        pytest.param(["--verify", "letters.jsonl"], "belong to --dlq", id="a file"),
        pytest.param(["--dlq", "--since", "24h"], "belong to --verify", id="a range of dead letters"),
        pytest.param(["--verify", "--since", "soon"], "--since", id="no moment"),
        pytest.param(["--verify", "--since", "1h", "--until", "2h"], "--until", id="a period that ends first"),
        pytest.param(["--verify", "--from-offset", "3"], "--to-offset", id="half a range"),
        pytest.param(["--verify", "--from-offset", "3", "--to-offset", "9"], "--partition", id="no partition"),
        pytest.param(
            ["--verify", "--partition", "0", "--from-offset", "9", "--to-offset", "9"],
            "--to-offset",
            id="an empty range",
        ),
        pytest.param(
            ["--verify", "--partition", "0", "--from-offset", "3", "--to-offset", "9", "--since", "1h"],
            "--since",
            id="two ranges",
        ),
        pytest.param(["--verify", "--no-store", "--no-archive"], "nothing to compare", id="nothing to compare"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_2(fraud, home, arguments, names):
    outcome = fraud("replay", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert names in outcome.err
    assert len(outcome.err.splitlines()) == 1
