"""`fraud export --dead-letters` and `fraud replay --dlq`: dead letters to a file, and back to the log."""

import base64
import json
from contextlib import closing
from typing import Any

import msgspec
import pytest

from cli.connect import open_log, topics
from cli.settings import Settings
from fraud.dead_letters import Reason
from storage.logs.log import DEAD_LETTERS, TRANSACTIONS
from tests.builders import transaction
from tests.cli.conftest import Outcome
from tests.consumer.test_letters import dead

PAYMENT = msgspec.json.encode(transaction())


def line(**what_matters: Any) -> str:
    return json.dumps({"payload": PAYMENT.decode(), **what_matters})


@pytest.fixture
def prepared(fraud):
    assert fraud("init").code == 0


@pytest.fixture
def buried(prepared):
    """Six records: one letter twice, one that decodes now, a conflict, a masked one, and what is no letter."""
    letters = [
        dead(offset=1, payload="e30=", detail="no amount"),
        dead(offset=1, payload="e30=", detail="no amount"),
        dead(offset=2, payload=_base64(PAYMENT), reason=Reason.CLOCK_SKEW),
        dead(offset=3, payload=_base64(PAYMENT), reason=Reason.ID_CONFLICT),
        dead(offset=4, payload="****", reason=Reason.PAN_DETECTED, masked=True),
    ]
    log = open_log(Settings(_env_file=None))
    with closing(log), closing(log.publisher()) as publisher:
        for value in [*map(msgspec.json.encode, letters), b"no letter"]:
            publisher.send(DEAD_LETTERS, b"key", value)


def _base64(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


def payments() -> list[bytes | None]:
    """What lies in the topic of payments."""
    log = open_log(Settings(_env_file=None))
    with closing(log):
        partitions = range(log.partitions(TRANSACTIONS))
        return [record.value for partition in partitions for record in log.read(TRANSACTIONS, partition, 0)]


def counts(outcome: Outcome) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(outcome.out)
    return said


def test_an_export_holds_each_letter_once_and_says_how_many_by_reason(fraud, buried, home):
    said = counts(fraud("export", "--dead-letters", "F.jsonl", "--json"))

    written = [json.loads(one) for one in (home / "F.jsonl").read_text().splitlines()]
    assert [one["origin"]["offset"] for one in written] == [1, 2, 3, 4]
    assert [one["payload"] for one in written] == ["{}", PAYMENT.decode(), PAYMENT.decode(), "****"]
    assert said == {
        "file": "F.jsonl",
        "read": 6,
        "letters": 4,
        "repeats": 1,
        "left_out": 0,
        "unreadable": 1,
        "masked": 1,
        "truncated": 0,
        "by_reason": {"schema": 1, "clock_skew": 1, "id_conflict": 1, "pan_detected": 1},
    }


@pytest.mark.parametrize(
    ("options", "offsets"),
    [
        pytest.param(["--reason", "schema"], [1], id="a reason"),
        pytest.param(["--reason", "schema", "--reason", "id_conflict"], [1, 3], id="two reasons"),
        pytest.param(["--reason", "empty"], [], id="a reason that no letter has"),
        pytest.param(["--since", "1970-01-01T00:00:05Z"], [1, 2, 3, 4], id="since the moment"),
        pytest.param(["--since", "1970-01-01T02:00:05.1+02:00"], [], id="since later, with an offset"),
        pytest.param(["--until", "1970-01-01T00:00:05"], [], id="until the moment, UTC where none is said"),
        pytest.param(["--until", "1970-01-02"], [1, 2, 3, 4], id="until a day"),
    ],
)
def test_an_export_selects(fraud, buried, home, options, offsets):
    outcome = fraud("export", "--dead-letters", "F.jsonl", *options)

    assert outcome.code == 0
    written = [json.loads(one)["origin"]["offset"] for one in (home / "F.jsonl").read_text().splitlines()]
    assert written == offsets
    assert f"{len(offsets)} dead letters in F.jsonl" in outcome.out


def test_an_empty_topic_says_so_and_its_file_replays_to_nothing(fraud, prepared):
    exported, replayed = fraud("export", "--dead-letters", "F.jsonl"), fraud("replay", "--dlq", "F.jsonl")

    assert (exported.code, replayed.code) == (0, 0)
    assert "transactions.dlq is empty" in exported.out
    assert "nothing to send" in replayed.out


def test_work_in_a_file_is_not_overwritten_unless_asked_for(fraud, buried, home):
    file = home / "F.jsonl"
    file.write_text("edited for hours")

    refused = fraud("export", "--dead-letters", "F.jsonl")
    kept = file.read_text()
    replaced = fraud("export", "--dead-letters", "F.jsonl", "--overwrite")

    assert (refused.code, kept) == (2, "edited for hours")
    assert "--overwrite" in refused.err
    assert (replaced.code, len(file.read_text().splitlines())) == (0, 4)


def test_a_log_that_fails_leaves_no_file(fraud, home):
    outcome = fraud("export", "--dead-letters", "F.jsonl")

    assert outcome.code == 1
    assert "fraud init" in outcome.err
    assert [path.name for path in home.iterdir() if "jsonl" in path.name] == []


def test_an_exported_and_mended_file_is_sent(fraud, buried, home):
    fraud("export", "--dead-letters", "F.jsonl", "--reason", "schema")
    exported = json.loads((home / "F.jsonl").read_text())
    (home / "F.jsonl").write_text(json.dumps({**exported, "payload": PAYMENT.decode()}))

    outcome = fraud("replay", "--dlq", "F.jsonl")

    assert outcome.code == 0
    assert "1 dead letters read, 1 sent to transactions" in outcome.out
    assert payments() == [PAYMENT]


def test_lines_that_cannot_be_sent_are_named_by_number(fraud, prepared, home):
    (home / "F.jsonl").write_text("\n".join(["{broken", line(masked=True), line(), line(payload="{}")]))

    outcome = fraud("replay", "--dlq", "F.jsonl")

    named = [said for said in outcome.err.splitlines() if said.startswith("F.jsonl: ")]
    assert outcome.code == 1
    assert [said.split(": ")[1:3] for said in named] == [
        ["line 1", "broken_line"],
        ["line 2", "masked"],
        ["line 4", "schema"],
    ]
    assert payments() == [PAYMENT]


def test_without_a_file_what_decodes_now_is_sent(fraud, buried):
    outcome = fraud("replay", "--dlq", "--json")

    assert outcome.code == 1
    assert counts(outcome) == {
        "read": 4,
        "sent": 1,
        "still_refused": {"schema": 1, "id_conflict": 1},
        "masked": 1,
        "truncated": 0,
        "broken_line": 0,
    }
    assert payments() == [PAYMENT]


@pytest.mark.parametrize("file", [(), ("F.jsonl",)], ids=["the log's letters", "a file's"])
def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(fraud, buried, home, file):
    (home / "F.jsonl").write_text(line())

    said, as_json = (
        fraud("replay", "--dlq", "--dry-run", *file),
        counts(fraud("replay", "--dlq", "--dry-run", "--json", *file)),
    )

    assert "1 would be sent" in said.out
    assert (as_json["sent"], as_json["would_send"]) == (0, 1)
    assert payments() == []


def test_a_file_is_named_before_or_after_the_option(fraud, prepared, home):
    (home / "F.jsonl").write_text(line())

    assert [fraud("replay", *words).code for words in (["--dlq", "F.jsonl"], ["F.jsonl", "--dlq"])] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(["replay"], "--dlq", id="nothing to replay"),
        pytest.param(["replay", "F.jsonl"], "--dlq", id="a file for nothing"),
        pytest.param(["replay", "--dlq", "absent.jsonl"], "absent.jsonl", id="a file that is not there"),
        pytest.param(["replay", "--dlq", "."], ".", id="a folder to replay"),
        pytest.param(["export"], "--dead-letters", id="nothing to export"),
        pytest.param(["export", "--dead-letters", "absent/F.jsonl"], "absent/F.jsonl", id="a folder that is not there"),
        pytest.param(["export", "--dead-letters", "."], ". is a folder", id="a folder for a file"),
        pytest.param(["export", "--dead-letters", "F.jsonl", "--since", "monday"], "--since", id="no moment"),
        pytest.param(["export", "--dead-letters", "F.jsonl", "--reason", "bad"], "--reason", id="no reason"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_2(fraud, prepared, arguments, names):
    outcome = fraud(*arguments)

    [said] = [one for one in outcome.err.splitlines() if one.startswith(("fraud: ", "Error: "))]
    assert outcome.code == 2
    assert names in said


def test_without_a_policy_nothing_is_sent(fraud, home):
    log = open_log(Settings(_env_file=None))
    with closing(log):
        log.create(topics(Settings(_env_file=None)))
    (home / "F.jsonl").write_text(line())

    outcome = fraud("replay", "--dlq", "F.jsonl")

    assert outcome.code == 1
    assert "fraud init" in outcome.err
    assert payments() == []
