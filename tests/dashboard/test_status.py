from datetime import UTC, datetime, timedelta

import pytest

from dashboard import status
from dashboard.status import Level
from tests.dashboard.seeding import POLICY, beat

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("silent", "level"),
    [
        pytest.param(0, Level.GOOD, id="just heard"),
        pytest.param(15, Level.GOOD, id="exactly the limit"),
        pytest.param(16, Level.STALE, id="one second over"),
    ],
)
def test_a_silent_consumer_is_stale(silent, level):
    assert status.judge([beat(NOW - silent * SECOND)], NOW, NOW).level == level


def test_one_living_consumer_is_enough():
    beats = [beat(NOW - timedelta(minutes=9), process="one"), beat(NOW, process="two")]

    assert status.judge(beats, NOW, NOW).level == Level.GOOD


def test_a_producer_alone_decides_nothing():
    found = status.judge([beat(NOW, role="producer")], NOW, NOW)

    assert found.level == Level.STALE
    assert "No consumer has ever reported" in found.text


def test_a_paused_consumer_says_why():
    found = status.judge([beat(NOW, state="paused", facts={"paused_because": "the store is down"})], NOW, NOW)

    assert found.level == Level.QUIET
    assert "paused: the store is down" in found.text


@pytest.mark.parametrize(
    ("newest", "level"),
    [
        pytest.param(None, Level.QUIET, id="no payment at all"),
        pytest.param(NOW - timedelta(minutes=6), Level.GOOD, id="the last minute may be five minutes past"),
        pytest.param(NOW - timedelta(minutes=7), Level.QUIET, id="quiet for more"),
    ],
)
def test_a_log_without_payments_is_worth_a_word(newest, level):
    assert status.judge([beat(NOW)], newest, NOW).level == level


def test_lag_is_joined_over_living_consumers_and_the_latest_word_counts():
    beats = [
        beat(NOW - 9 * SECOND, process="one", facts={"lag": {"0": 5, "1": 6}}),
        beat(NOW, process="two", facts={"lag": {"1": 2, "10": 1}}),
        beat(NOW - 60 * SECOND, process="gone", facts={"lag": {"3": 999}}),
    ]

    assert status.lag_by_partition(beats, NOW) == {0: 5, 1: 2, 10: 1}


def test_consumers_under_different_policies_are_both_named():
    other = {"hash": "other", "model": "abc"}
    beats = [
        beat(NOW, process="one"),
        beat(NOW, process="two", facts={"policy": other}),
        beat(NOW, process="three", facts={"policy": other}),
    ]

    assert status.in_force(beats, NOW) == [POLICY, other]


def test_the_last_policy_heard_of_stands_when_all_are_silent():
    beats = [
        beat(NOW - timedelta(minutes=9), process="one", facts={"policy": {"hash": "old"}}),
        beat(NOW - timedelta(minutes=8), process="two"),
    ]

    assert status.in_force(beats, NOW) == [POLICY]


@pytest.mark.parametrize("facts", [{"lag": None, "policy": None}, {"lag": [], "policy": "?"}])
def test_missing_and_odd_facts_are_no_error(facts):
    beats = [beat(NOW, facts=facts)]

    assert status.lag_by_partition(beats, NOW) == {}
    assert status.in_force(beats, NOW) == []
    assert status.number({"rate": "fast"}, "rate") is None
    assert status.listing({"voids": "none"}, "voids") == []


@pytest.mark.parametrize(
    ("silent", "state", "is_current"),
    [
        pytest.param(0, "running", True, id="just heard"),
        pytest.param(600, "running", True, id="silent for exactly ten minutes"),
        pytest.param(601, "running", False, id="silent for longer"),
        pytest.param(599, "paused", True, id="paused, then silent"),
        pytest.param(0, "stopping", False, id="ended cleanly just now"),
        pytest.param(0, "failed", False, id="ended with an error just now"),
        pytest.param(7_200, "stopping", False, id="ended cleanly long ago"),
    ],
)
def test_a_process_is_current_until_it_ends_or_is_silent_for_long(silent: int, state: str, is_current: bool) -> None:
    beats = [beat(NOW - silent * SECOND, state=state)]

    assert status.current(beats, NOW) == (beats if is_current else [])
    assert status.gone(beats, NOW) == ([] if is_current else beats)


def test_current_processes_come_by_name_and_gone_ones_by_when_they_were_heard() -> None:
    beats = [
        beat(NOW - timedelta(hours=2), process="old"),
        beat(NOW, process="b"),
        beat(NOW - timedelta(hours=1), process="left", state="stopping"),
        beat(NOW, process="a"),
    ]

    assert [found.process for found in status.current(beats, NOW)] == ["a", "b"]
    assert [found.process for found in status.gone(beats, NOW)] == ["left", "old"]


def test_a_consumer_that_left_cleanly_is_none_at_once() -> None:
    beats = [beat(NOW - SECOND, state="stopping", facts={"lag": {"0": 5}})]

    found = status.judge(beats, NOW, NOW)

    assert found.level == Level.STALE
    assert "the last one ended cleanly" in found.text
    assert status.lag_by_partition(beats, NOW) == {}


def test_a_consumer_that_left_leaves_the_others_live() -> None:
    beats = [beat(NOW, process="left", state="stopping"), beat(NOW, process="here")]

    assert status.judge(beats, NOW, NOW).level == Level.GOOD


def test_what_consumers_found_wrong_with_the_log_is_said_once() -> None:
    short = "topic `transactions` forgets after 7 days"
    beats = [beat(NOW, process=name, facts={"warnings": [short]}) for name in ("one", "two")]
    beats.append(beat(NOW, process="left", state="stopping", facts={"warnings": ["mended since"]}))

    assert status.warnings(beats, NOW) == [short]
