"""What the proofs hold against each other fails where something is wrong."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.connect import topics
from cli.settings import Settings
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import DEAD_LETTERS
from tests.prove.holding import Expected, held, unacknowledged
from tests.prove.outcome import Outcome, verified
from tests.road.results import Results

LETTER = {
    "topic": "transactions",
    "partition": 0,
    "offset": 3,
    "received_at": 5,
    "reason": "not_json",
    "detail": "x",
    "payload": "e30=",
    "masked": False,
    "truncated": False,
}
CRC = 2745614147
"""CRC-32 of `{}`."""


def test_a_row_that_failed_before_it_was_skipped_has_failed():
    found = Outcome(row="disk", seed=1, scale=1.0, skipped="no room", failures=["one ended with 1"])

    assert found.verdict == "fail"


def test_what_was_sent_and_not_acknowledged_is_named(tmp_path: Path):
    report = tmp_path / "sent.json"
    report.write_text(json.dumps({"sent": 3, "acknowledged": {"0": {"0": 1}, "1": {"0": 2}}}))

    assert unacknowledged(report) == ["3 messages were sent, 2 acknowledged"]


@pytest.mark.parametrize(
    ("code", "flags", "undecided", "is_right"),
    [(0, 2, 0, True), (2, 2, 0, False), (0, 3, 0, False), (0, 2, 1, False)],
)
def test_verification_counts_only_with_every_flag_and_every_record(
    code: int, flags: int, undecided: int, is_right: bool
):
    said = {
        "verdict": "equal",
        "partitions": [{"not_yet_decided": undecided}],
        "comparisons": [{"what": "flags", "equal": 2, "examples": {}}],
        "not_verifiable": [],
        "pending": [],
    }

    notes, failures = verified(code, json.dumps(said), flags)

    assert (bool(notes), bool(failures)) == (is_right, not is_right)


def test_a_verification_that_says_nothing_is_a_failure():
    assert verified(2, "fraud: the log is away\n", 0)[1] == [
        "fraud replay --verify ended with 2: fraud: the log is away"
    ]


@pytest.mark.parametrize(
    ("letters", "extra", "different"),
    [
        ([LETTER, LETTER], 0, 0),
        ([LETTER, LETTER | {"detail": "y"}], 1, 0),
        ([LETTER | {"payload": "e319"}], 0, 1),
    ],
    ids=["repeated", "repeated otherwise", "another message"],
)
def test_repeats_are_alike_and_letters_hold_their_message(
    tmp_path: Path, letters: Sequence[dict[str, Any]], extra: int, different: int
):
    with closing(EmbeddedLog(tmp_path / "log")) as log:
        log.create(topics(Settings(partitions=1)))
        with closing(log.publisher()) as publisher:
            for letter in letters:
                publisher.send(DEAD_LETTERS, None, msgspec.json.encode(letter))
        (found,) = [one for one in held(expected(tmp_path), Results(flags={}, minutes={}), log) if "dlq" in one.what]

    assert (len(found.extra), len(found.different)) == (extra, different)


def expected(folder: Path) -> Expected:
    """One dead letter and nothing else."""
    said: dict[str, Any] = {name: {} for name in ("flags", "again", "minutes", "fates", "judgements")}
    said |= {"dead": {"0-3": "not_json"}, "checksums": {"0": {"3": CRC}}, "policies": []}
    (folder / "expected.json").write_text(json.dumps(said))
    return Expected(folder / "expected.json")
