"""Policies: one hash for all that decides, and the timeline that the log alone fixes."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.errors import PolicyError
from fraud.policy import ENGINE_VERSION, Policy, decode, encode
from fraud.rule_set import RuleSet
from fraud.timeline import PolicyTimeline, Void

SECOND = 1_000_000
TEN = 10 * SECOND


def rule_set(limit: float = 1000, **what_matters: Any) -> RuleSet:
    """A file with one rule."""
    rule = {"id": "large", "kind": "high_amount", "limit": {"EUR": limit}}
    return RuleSet.model_validate({"version": 1, "default_currency": "EUR", "rules": [rule], **what_matters})


def policy(based_on: int | None = None, **what_matters: Any) -> Policy:
    """A policy; only what matters is stated."""
    return Policy(**{"rules": rule_set(), "based_on": based_on, **what_matters})


def timeline_of(*records: tuple[int, int, bytes | None]) -> PolicyTimeline:
    """A timeline of (offset, appended at in seconds, value)."""
    timeline = PolicyTimeline()
    for offset, appended_at, value in records:
        timeline.add(offset, appended_at * SECOND, value)
    return timeline


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(policy(), True, id="nothing else"),
        pytest.param(policy(based_on=7), True, id="another base"),
        pytest.param(policy(delay=timedelta(0)), True, id="another delay"),
        pytest.param(policy(watched_file="abc"), True, id="another watched file"),
        pytest.param(policy(rules=rule_set(1000.00)), True, id="the same limit with decimals"),
        pytest.param(policy(rules=rule_set(1000.01)), False, id="another limit"),
        pytest.param(policy(rules=rule_set(score={"low": "20 %"})), False, id="another score band"),
        pytest.param(policy(rules=rule_set(default_currency="USD")), False, id="another default currency"),
        pytest.param(policy(rules=rule_set(moving_mccs=[4121])), False, id="another list of moving categories"),
        pytest.param(policy(model="m1"), False, id="a model"),
        pytest.param(policy(label_memory="t1"), False, id="a label memory"),
        pytest.param(policy(lists={"trusted": "h1"}), False, id="a list"),
        pytest.param(policy(engine_version=ENGINE_VERSION + 1), False, id="another engine version"),
    ],
)
def test_the_hash_is_over_all_that_decides_and_nothing_else(other: Policy, same: bool) -> None:
    assert (other.hash == policy().hash) is same


def test_a_record_is_canonical_and_reads_back() -> None:
    original = policy(
        based_on=3,
        rules=rule_set(1234.56, score={"low": "12.5 %"}),
        model="m1",
        lists={"b": "2", "a": "1"},
        delay=timedelta(milliseconds=15_500),
        watched_file="f1",
    )

    read = decode(encode(original))

    assert read == original
    assert read.hash == original.hash
    assert encode(read) == encode(original)


def test_each_publisher_replaces_only_its_own_part() -> None:
    base = policy(
        based_on=3, model="m1", label_memory="t1", lists={"a": "1"}, watched_file="f1", delay=timedelta(seconds=3)
    )

    changed = base.with_rules(rule_set(5)).with_model("m2")

    assert (changed.model, changed.label_memory, dict(changed.lists), changed.watched_file) == (
        "m2",
        "t1",
        {"a": "1"},
        "f1",
    )
    assert changed.rules == rule_set(5)
    assert changed.hash == policy(rules=rule_set(5), model="m2", label_memory="t1", lists={"a": "1"}).hash
    assert base.with_rules(rule_set(5), watched_file="f2").watched_file == "f2"


def test_a_policy_rules_from_its_append_time_plus_its_delay() -> None:
    timeline = timeline_of((0, 100, encode(policy())), (1, 200, encode(policy(based_on=0, model="m1"))))

    moments = np.array([0, 110 * SECOND - 1, 110 * SECOND, 210 * SECOND - 1, 210 * SECOND, 10**15])

    assert timeline.at(moments).tolist() == [-1, -1, 0, 0, 1, 1]
    assert [timeline.index_at(int(moment)) for moment in moments] == timeline.at(moments).tolist()
    assert timeline.in_force(110 * SECOND - 1) is None
    assert timeline.in_force(210 * SECOND) is timeline.policies[1]
    assert timeline.effective_at(timeline.policies[1]) == 210 * SECOND


def test_a_policy_never_takes_effect_before_an_earlier_one() -> None:
    slow = encode(policy(delay=timedelta(minutes=1)))
    quick = encode(policy(based_on=0, model="m1", delay=timedelta(seconds=10)))

    timeline = timeline_of((0, 100, slow), (1, 105, quick))

    assert timeline.effective_from.tolist() == [160 * SECOND, 160 * SECOND]
    assert timeline.at(np.array([160 * SECOND])).tolist() == [1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(
            encode(policy(based_on=0, delay=timedelta(seconds=10) - timedelta(milliseconds=1))),
            "its delay of 9999 ms is under 10000 ms",
            id="a delay that a consumer might miss",
        ),
        pytest.param(
            encode(policy(based_on=4)),
            "it is based on the policy at offset 4, the last valid one is at 0",
            id="an offset that is no policy",
        ),
        pytest.param(encode(policy()), "it is based on no policy, the last valid one is at 0", id="a second first one"),
        pytest.param(b"{", "it is not JSON", id="half a record"),
        pytest.param(b"\xff", "it is not JSON", id="no text"),
        pytest.param(b"[" * 100_000, "it is not JSON", id="deep brackets"),
        pytest.param(None, "it is not JSON", id="an empty record"),
        pytest.param(b"[]", "it is not a policy record", id="a list"),
        pytest.param(b"{}", "it is not a policy record", id="an empty mapping"),
        pytest.param(
            encode(policy(based_on=0)).replace(b'"EUR":1000', b'"EUR":9000'),
            "its hash does not fit its content",
            id="a changed limit",
        ),
        pytest.param(
            encode(policy(based_on=0)).replace(b'"delay_ms":10000', b'"delay_ms":-1'),
            "a delay of -1 ms",
            id="a delay that looks back",
        ),
        pytest.param(
            encode(policy(based_on=0)).replace(b'"delay_ms":10000', b'"delay_ms":true'),
            "is no number",
            id="a delay that is no number",
        ),
        pytest.param(
            encode(policy(based_on=0)).replace(b'"based_on":0', b'"based_on":"0"'),
            "is no number",
            id="a base that is no number",
        ),
    ],
)
def test_a_void_record_changes_nothing_and_says_why(value: bytes | None, reason: str) -> None:
    timeline = timeline_of((0, 100, encode(policy())))

    said = timeline.add(5, 200 * SECOND, value)

    assert said is not None
    assert reason in said
    assert len(timeline) == 1
    assert timeline.voids == [Void(5, said)]
    assert timeline.void_at(5) == timeline.voids[0]
    assert timeline.next_offset == 6
    assert timeline.latest_offset == 0


def test_the_first_valid_record_is_based_on_nothing() -> None:
    timeline = timeline_of((0, 100, encode(policy(based_on=0))), (1, 101, encode(policy())))

    assert timeline.voids == [Void(0, "it is based on the policy at offset 0, there is none yet")]
    assert timeline.offsets == [1]


def test_of_two_made_from_the_same_policy_the_first_wins() -> None:
    timeline = timeline_of(
        (0, 100, encode(policy())),
        (1, 200, encode(policy(based_on=0, model="mine"))),
        (2, 200, encode(policy(based_on=0, model="yours"))),
        (3, 300, encode(policy(based_on=1, model="third"))),
    )

    assert [valid.model for valid in timeline.policies] == [None, "mine", "third"]
    assert [void.offset for void in timeline.voids] == [2]


def test_a_record_is_never_taken_twice() -> None:
    timeline = timeline_of((0, 100, encode(policy())))

    with pytest.raises(PolicyError, match="read twice"):
        timeline.add(0, 100 * SECOND, encode(policy()))


def foreign(based_on: int | None, content: dict[str, Any]) -> bytes:
    """A record of the next release."""
    record = json.loads(encode(policy(based_on)))
    return json.dumps({**record, "engine_version": ENGINE_VERSION + 1, "hash": "theirs", "policy": content}).encode()


@pytest.mark.parametrize("content", [{}, {"rules": {"version": 9}, "more": 1}, json.loads(encode(policy()))["policy"]])
def test_a_policy_of_another_release_keeps_its_place_and_name(content: dict[str, Any]) -> None:
    timeline = timeline_of((0, 100, encode(policy())), (1, 200, foreign(0, content)))

    assert timeline.policies[1].engine_version == ENGINE_VERSION + 1
    assert timeline.policies[1].hash == "theirs"
    assert timeline.at(np.array([210 * SECOND])).tolist() == [1]


records = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.one_of(
            st.none(),
            st.binary(max_size=8),
            st.builds(
                lambda based_on, model, delay: encode(policy(based_on, model=model, delay=timedelta(seconds=delay))),
                st.one_of(st.none(), st.integers(0, 6)),
                st.sampled_from(["a", "b"]),
                st.integers(0, 60),
            ),
        ),
    ),
    max_size=8,
)


@given(records=records, cut=st.integers(0, 8), moments=st.lists(st.integers(0, 2000), max_size=5))
def test_what_is_in_force_does_not_depend_on_when_the_topic_is_read(
    records: list[tuple[int, bytes | None]], cut: int, moments: list[int]
) -> None:
    numbered = [(offset, at, value) for offset, (at, value) in enumerate(records)]
    whole = timeline_of(*numbered)
    early = timeline_of(*numbered[:cut])
    received_at = np.array(moments, np.int64) * SECOND

    before = early.at(received_at)
    for offset, at, value in numbered[cut:]:
        early.add(offset, at * SECOND, value)

    assert early.at(received_at).tolist() == whole.at(received_at).tolist()
    assert (np.diff(whole.effective_from) >= 0).all()
    assert len(whole) + len(whole.voids) == len(records)
    assert (before <= whole.at(received_at)).all()
