"""The same answer for any polls that hold the same records, under the policy that the log fixes."""

from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.deciding import Answer, Decider
from consumer.partition_state import PartitionState
from fraud.batch import Polled
from fraud.decision import Flag, micros
from fraud.policy import DELAY, ENGINE_VERSION, Policy, encode
from fraud.rule_file import rule_set_of
from fraud.timeline import PolicyTimeline
from storage.flags.flag_store import Minute
from tests.builders import NOON
from tests.fraud.messages import message

START = micros(NOON)
SECOND = 1_000_000


def rules(limit: int, currency: str = "EUR") -> Any:
    text = f"""
version: 1
default_currency: {currency}
rules:
  - {{id: amount, kind: high_amount, limit: {{{currency}: {limit}}}}}
  - {{id: burst, kind: high_frequency, limit: 3, window: 5m, severity: high}}
  - {{id: watched, kind: expression, mode: shadow, condition: amount > 5}}
"""
    return rule_set_of(text, "rules.yaml")


def timeline_of(*policies: tuple[int, Policy]) -> PolicyTimeline:
    """Policies in effect from these moments on (seconds after START)."""
    timeline = PolicyTimeline()
    for offset, (second, policy) in enumerate(policies):
        record = encode(policy.rebased(offset - 1 if offset else None))
        appended_at = START + second * SECOND - DELAY // timedelta(microseconds=1)
        assert timeline.add(offset, appended_at, record) is None
    return timeline


LENIENT, STRICT = Policy(rules=rules(100)), Policy(rules=rules(10))
FOREIGN = Policy(rules=rules(1)).with_engine(ENGINE_VERSION + 1)


def decider(timeline: PolicyTimeline, partitions: int = 1) -> Decider:
    made = Decider(log_id="log", group="fraud", timeline=timeline, scorers={}, now=lambda: NOON)
    for partition in range(partitions):
        made.states[partition] = PartitionState(0)
    return made


def poll(*records: tuple[int, bytes], partition: int = 0, first: int = 0) -> Polled:
    """Records of one partition with their append times (microseconds after START)."""
    return Polled(
        partition=np.full(len(records), partition, np.int64),
        offset=np.arange(first, first + len(records)),
        received_at=np.array([START + at for at, _ in records], np.int64),
        values=[value for _, value in records],
    )


def payment(number: int, amount: float = 50.0, user: str = "u", **fields: Any) -> bytes:
    return message(transaction_id=f"t-{number}", user_id=user, amount=amount, **fields)


def together(*polls: Polled) -> Polled:
    return Polled(
        partition=np.concatenate([one.partition for one in polls]),
        offset=np.concatenate([one.offset for one in polls]),
        received_at=np.concatenate([one.received_at for one in polls]),
        values=[value for one in polls for value in one.values],
    )


def flagged(answer: Answer) -> list[str]:
    return [one.flag.transaction.transaction_id for one in answer.flags]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(10 * SECOND - 1, [], id="a microsecond before"),
        pytest.param(10 * SECOND, ["t-1"], id="exactly at"),
        pytest.param(10 * SECOND + 1, ["t-1"], id="a microsecond after"),
    ],
)
def test_a_policy_rules_from_the_moment_it_takes_effect(at: int, expected: list[str]) -> None:
    timeline = timeline_of((0, LENIENT), (10, STRICT))

    answer = decider(timeline).decide(poll((at, payment(1))))

    assert flagged(answer) == expected
    assert answer.decided == 1


def test_a_poll_is_cut_where_a_policy_takes_effect() -> None:
    timeline = timeline_of((5, LENIENT), (10, STRICT))

    answer = decider(timeline).decide(
        poll(*((second * SECOND, payment(second, user=f"u{second}")) for second in (4, 5, 9, 10, 11)))
    )

    assert (answer.before_policy, answer.decided, answer.seen) == (1, 4, 5)
    assert [(one.flag.transaction.transaction_id, one.flag.policy) for one in answer.flags] == [
        ("t-10", STRICT.hash),
        ("t-11", STRICT.hash),
    ]
    assert answer.next_offsets == {0: 5}


def test_an_append_clock_that_goes_back_does_not_bring_an_old_policy_back() -> None:
    timeline = timeline_of((0, LENIENT), (10, STRICT))
    deciding = decider(timeline)

    first = deciding.decide(poll((12 * SECOND, payment(1)), (8 * SECOND, payment(2, user="v"))))
    second = deciding.decide(poll((9 * SECOND, payment(3, user="w")), first=2))

    assert flagged(first) == ["t-1", "t-2"]
    assert flagged(second) == ["t-3"]
    assert {micros(one.flag.received_at) for one in [*first.flags, *second.flags]} == {START + 12 * SECOND}


def test_payments_before_the_first_policy_build_memory() -> None:
    deciding = decider(timeline_of((10, LENIENT)))

    before = deciding.decide(
        poll(*((second * SECOND, payment(second)) for second in range(3)), (4 * SECOND, payment(2)), (5, b"x"))
    )
    after = deciding.decide(poll((10 * SECOND, payment(10)), first=5))

    assert (before.before_policy, before.duplicates, before.decided, before.flags) == (3, 1, 0, [])
    assert [letter.reason for letter in before.dead] == ["not_json"]
    assert [hit.rule for hit in after.flags[0].flag.hits] == ["burst", "watched"]


def test_duplicates_are_counted_and_conflicts_buried_with_their_own_bytes() -> None:
    answer = decider(timeline_of((0, STRICT))).decide(
        poll(
            (0, payment(1)),
            (1, payment(1)),
            (2, payment(1, amount=51.0)),
            (3, payment(1, event_time="2026-03-02T11:59:59Z")),
        )
    )

    assert (answer.decided, answer.duplicates, len(answer.flags)) == (2, 1, 2)
    (letter,) = answer.dead
    assert (letter.reason, letter.offset) == ("id_conflict", 2)
    (minute,) = answer.minutes
    assert (minute.seen, minute.decided, minute.duplicates, minute.dead, minute.id_reused) == (
        4,
        2,
        1,
        {"id_conflict": 1},
        1,
    )


def test_a_policy_of_another_engine_stops_before_the_first_record_it_rules() -> None:
    timeline = timeline_of((0, STRICT), (10, FOREIGN), (20, STRICT))
    deciding = decider(timeline, partitions=2)

    answer = deciding.decide(
        together(
            poll(*((second * SECOND, payment(second)) for second in (8, 9, 10, 25))),
            poll((11 * SECOND, payment(99)), partition=1),
        )
    )

    assert answer.other_engine == ENGINE_VERSION + 1
    assert flagged(answer) == ["t-8", "t-9"]
    assert answer.next_offsets == {0: 2}
    assert (answer.seen, deciding.states[0].next_offset, deciding.states[1].next_offset) == (2, 2, 0)


def test_what_another_engine_decided_is_remembered_when_state_is_rebuilt() -> None:
    deciding = decider(timeline_of((0, STRICT), (10, FOREIGN), (20, Policy(rules=rules(1000)))))

    deciding.remember(poll(*((second * SECOND, payment(second)) for second in (9, 10, 11))))
    answer = deciding.decide(poll((20 * SECOND, payment(20)), first=3))

    assert [hit.rule for hit in answer.flags[0].flag.hits] == ["burst", "watched"]


def test_silence_builds_the_same_state_and_makes_nothing() -> None:
    records = poll((0, payment(1)), (1, b"broken"), (2, payment(2)))
    loud, silent = decider(timeline_of((0, STRICT))), decider(timeline_of((0, STRICT)))

    spoken, unspoken = loud.decide(records), silent.decide(records, silent=True)

    assert (len(spoken.flags), len(spoken.dead)) == (2, 1)
    assert (unspoken.flags, unspoken.dead) == ([], [])
    assert unspoken.minutes == spoken.minutes
    assert silent.states == loud.states


def test_counters_say_what_happened_to_every_record() -> None:
    answer = decider(timeline_of((0, LENIENT))).decide(
        poll(
            (0, payment(1, amount=500.0)), (1, payment(2, currency="USD")), (2, payment(3, outcome="declined")), (3, b""),
            (4, payment(4, kind="refund")), (5, payment(5, user="v", surplus=1)), (61 * SECOND, payment(6, user="v")),
        )
    )  # fmt: skip

    first, second = answer.minutes
    assert (first.seen, first.decided, first.flagged, first.dead, first.up_to_offset) == (6, 5, 1, {"empty": 1}, 5)
    assert (first.spend, first.no_limit, first.unknown_fields) == ({"EUR": 55_000, "USD": 5_000}, 1, 1)
    assert (second.seen, second.spend, second.up_to_offset) == (1, {"EUR": 5_000}, 6)


kinds = st.sampled_from(["payment", "payment", "payment", "again", "conflict", "broken", "refund"])


@given(st.lists(st.tuples(kinds, st.integers(0, 8), st.sampled_from([5.0, 50.0, 500.0])), max_size=24), st.data())
@settings(max_examples=60)
def test_any_cut_into_polls_gives_the_same_answers(stream: list[tuple[str, int, float]], data: st.DataObject) -> None:
    records = [(at * 7 * SECOND, record(*what)) for at, what in enumerate(stream)]
    whole = answered([poll(*records)])

    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=5)))
    pieces = [
        poll(*records[start:end], first=start) for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True)
    ]

    assert answered(pieces) == whole


def record(kind: str, number: int, amount: float) -> bytes:
    if kind == "broken":
        return b"{"
    if kind == "refund":
        return payment(number + 100, amount, kind="refund")
    return payment(number, {"again": 50.0, "conflict": 51.0}.get(kind, amount))


def answered(polls: list[Polled]) -> tuple[list[Flag], Counter[Any], dict[Any, Minute]]:
    """Flags, dead letters and the last value of every minute."""
    deciding = decider(timeline_of((20, LENIENT), (90, STRICT)))
    answers = [deciding.decide(one) for one in polls if len(one)]
    flags = sorted((one.flag for answer in answers for one in answer.flags), key=lambda flag: flag.offset)
    dead = Counter((letter.offset, letter.reason) for answer in answers for letter in answer.dead)
    return flags, dead, {minute.minute: minute for answer in answers for minute in answer.minutes}
