"""Minute counters are whole values: whatever the cuts, the last one of a minute says all of it."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.minutes import COUNTERS, MINUTE, Counts, OpenMinute, Tally, stored
from fraud.currencies import number

records = st.fixed_dictionaries(
    {
        "wait": st.sampled_from([0, 1, 20_000_000, 59_999_999, MINUTE, 3 * MINUTE]),
        "dead": st.sampled_from([None, None, "schema", "not_json", "empty"]),
        "spend": st.sampled_from([0, 0, 100, 250]),
        "currency": st.sampled_from([number("EUR"), number("JPY")]),
        "decided": st.booleans(),
        "flagged": st.booleans(),
        "unknown_fields": st.integers(0, 3),
    }
)


def tally_of(stretch: list[dict[str, Any]], first_offset: int = 0, first_at: int = 5 * MINUTE) -> Tally:
    """One partition's records, `wait` microseconds after one another."""
    waits = np.array([record["wait"] for record in stretch], np.int64)
    return Tally(
        partition=np.zeros(len(stretch), np.int64),
        offset=np.arange(first_offset, first_offset + len(stretch)),
        received_at=first_at + np.cumsum(waits),
        counters={
            name: np.array([int(record[name]) for record in stretch], np.int64)
            for name in ("decided", "flagged", "unknown_fields")
        },
        dead=[record["dead"] for record in stretch],
        spend=np.array([record["spend"] for record in stretch], np.int64),
        currency=np.array([record["currency"] for record in stretch], np.int64),
    )


def last_values(tally: Tally, cuts: list[int]) -> dict[int, Counts]:
    """What the store holds in the end: the last value that was given for each minute."""
    open_minute, kept = OpenMinute(), {}
    for start, end in zip([0, *cuts], [*cuts, len(tally.dead)], strict=True):
        rows = np.arange(start, end)
        piece = Tally(
            partition=tally.partition[rows], offset=tally.offset[rows], received_at=tally.received_at[rows],
            counters={name: values[rows] for name, values in tally.counters.items()}, dead=tally.dead[start:end],
            spend=tally.spend[rows], currency=tally.currency[rows],
        )  # fmt: skip
        for counts in open_minute.take(piece) if len(rows) else []:
            kept[counts.minute] = Counts(**{name: getattr(counts, name) for name in Counts.__struct_fields__})
    return kept


@given(st.lists(records, max_size=30), st.data())
def test_any_cut_gives_the_same_whole_values(stretch: list[dict[str, Any]], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stretch)), max_size=6)))
    tally = tally_of(stretch)

    assert last_values(tally, cuts) == last_values(tally, [])


@given(st.lists(records, max_size=30))
def test_every_record_is_counted_once_in_its_own_minute(stretch: list[dict[str, Any]]) -> None:
    tally = tally_of(stretch)
    minutes = (tally.received_at // MINUTE * MINUTE).tolist()

    found = last_values(tally, [])

    assert {minute: counts.seen for minute, counts in found.items()} == Counter(minutes)
    for minute, counts in found.items():
        mine = [record for record, at in zip(stretch, minutes, strict=True) if at == minute]
        assert counts.up_to_offset == max(offset for offset, at in enumerate(minutes) if at == minute)
        assert (counts.decided, counts.flagged) == (
            sum(record["decided"] for record in mine),
            sum(record["flagged"] for record in mine),
        )
        assert counts.dead == Counter(record["dead"] for record in mine if record["dead"])
        spent = {
            code: sum(record["spend"] for record in mine if record["currency"] == number(code))
            for code in ("EUR", "JPY")
        }
        assert counts.spend == {code: amount for code, amount in spent.items() if amount}


@pytest.mark.parametrize(
    ("wait", "minutes"),
    [
        pytest.param(MINUTE - 1, [5], id="the last microsecond of a minute"),
        pytest.param(MINUTE, [5, 6], id="the first of the next"),
    ],
)
def test_a_minute_ends_where_the_next_begins(wait: int, minutes: list[int]) -> None:
    record = {"dead": None, "spend": 0, "currency": 978, "decided": 1, "flagged": 0, "unknown_fields": 0}
    tally = tally_of([record | {"wait": 0}, record | {"wait": wait}])

    assert [counts.minute // MINUTE for counts in tally.by_minute()] == minutes


def test_a_copy_does_not_change_when_counting_goes_on() -> None:
    record = {"wait": 0, "dead": "schema", "spend": 5, "currency": 978, "decided": 1, "flagged": 0, "unknown_fields": 0}
    open_minute = OpenMinute()
    assert open_minute.copy() is None
    open_minute.take(tally_of([record]))

    copy = open_minute.copy()
    open_minute.take(tally_of([record], first_offset=1))

    assert copy is not None
    assert (copy.seen, copy.dead, copy.spend) == (1, {"schema": 1}, {"EUR": 5})
    assert open_minute.counts is not None
    assert (open_minute.counts.seen, open_minute.counts.dead) == (2, {"schema": 2})


def test_what_is_stored_names_where_it_belongs() -> None:
    twos: dict[str, Any] = {name: 2 for name in COUNTERS if name != "seen"}
    counts = Counts(minute=2 * MINUTE, up_to_offset=9, seen=3, dead={"empty": 1}, **twos)

    minute = stored(counts, "log", "fraud", 4)

    assert (minute.log_id, minute.group, minute.partition, minute.minute.minute) == ("log", "fraud", 4, 2)
    assert (minute.up_to_offset, minute.seen, minute.decided, minute.no_limit, minute.dead) == (
        9,
        3,
        2,
        2,
        {"empty": 1},
    )
