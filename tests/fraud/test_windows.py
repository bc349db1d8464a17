"""The fast kernel equals the naive oracle, whatever the order, the cuts and the threads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fraud.window_columns as kernel
from fraud.batch import Batch
from fraud.ring import CAP, WIDTH
from fraud.schema import Transaction
from fraud.windows import Windows, new_outputs
from tests.builders import NOON, batch_of, transaction
from tests.fraud.naive_windows import SPANS, NaiveWindows, payments_of

DAY = 86_400
MOVING = np.zeros(10_000, np.bool_)
MOVING[4511] = True

moments = st.one_of(
    st.integers(0, 3 * DAY),
    st.integers(0, 60 * DAY),
    st.sampled_from([0, 300, 3_600, DAY, 7 * DAY, 30 * DAY, 37 * DAY, 38 * DAY, 38 * DAY + 300]),
)


@st.composite
def payments(draw: st.DrawFn) -> Transaction:
    """A payment of one of two users, anywhere in two months, with every optional field sometimes absent."""
    zone = timezone(timedelta(minutes=draw(st.sampled_from([0, 60, -300, 345]))))
    place = draw(st.sampled_from([(None, None), (52.52, 13.405), (48.857, 2.352), (-33.87, 151.21), (52.52, 13.406)]))
    maybe = lambda *values: draw(st.sampled_from([None, *values]))  # noqa: E731
    return transaction(
        transaction_id=draw(st.sampled_from("abcdefgh")),
        user_id=draw(st.sampled_from(["u", "u", "v"])),
        event_time=(NOON + timedelta(seconds=draw(moments))).astimezone(zone),
        amount=draw(st.sampled_from([0.0, 1.0, 12.0, 1000.0])),
        kind=maybe("purchase", "cash", "refund", "reversal", "verification", "transfer"),
        outcome=maybe("approved", "declined"),
        currency=maybe("EUR", "JPY"),
        merchant_id=maybe("m", "n", "o"),
        device_id=maybe("d", "e"),
        country=maybe("DE", "FR"),
        mcc=maybe("5411", "4511"),
        channel=maybe("pos", "pos", "online", "atm", "transfer"),
        latitude=place[0],
        longitude=place[1],
        card_token=maybe("c", "k"),
        initiated_by=maybe("customer", "merchant"),
    )


@given(st.lists(payments(), max_size=40), st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_kernel_equals_the_oracle(stream: list[Transaction], in_order: bool) -> None:
    if in_order:
        stream.sort(key=lambda payment: payment.event_time)
    batch = batch_of(*stream)

    said = said_of(advanced(Windows(), batch)[0])

    oracle = NaiveWindows(moving=frozenset({4511}))
    for row, payment in enumerate(payments_of(batch)):
        expected = oracle.decide(payment)
        assert {name: said[row][name] for name in expected} == expected


@given(st.lists(payments(), max_size=40), st.data())
@settings(max_examples=100, deadline=None)
def test_any_cut_any_threads_and_a_rebuild_from_the_middle_change_nothing(
    stream: list[Transaction], data: st.DataObject
) -> None:
    batch = batch_of(*stream)
    whole, whole_memory = advanced(Windows(), batch)

    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    rebuild_at = data.draw(st.integers(0, 5))
    windows = Windows(shards=data.draw(st.integers(1, 3)))
    pieces = []
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(stream)], strict=True)):
        if number == rebuild_at:
            remembered, windows = windows.remembered(), Windows(shards=2)
            windows.restore(remembered)
        pieces.append(advanced(windows, cut(batch, start, end))[0])

    assert np.array_equal(np.concatenate(pieces), whole)
    assert same_memory(windows, whole_memory)


@given(st.lists(payments(), min_size=1, max_size=30), st.data())
@settings(max_examples=100, deadline=None)
def test_the_context_is_what_the_windows_saw_whatever_the_cut(stream: list[Transaction], data: st.DataObject) -> None:
    batch = batch_of(*stream)
    row = data.draw(st.integers(0, len(stream) - 1))
    start = data.draw(st.integers(0, row))

    def context_when_cut_at(first: int, last: int) -> Any:
        windows = Windows()
        advanced(windows, cut(batch, 0, first))
        piece = cut(batch, first, last)
        out, newest = new_outputs(len(piece)), np.zeros(len(piece), np.int64)
        windows.advance(piece, np.arange(len(piece)), out, newest, MOVING)
        return windows.context(piece, row - first, int(newest[row - first]), 64)

    alone = context_when_cut_at(row, row + 1)
    assert np.array_equal(context_when_cut_at(start, len(stream)), alone)
    assert alone.shape[1] == WIDTH


def test_making_room_for_a_crowd_keeps_the_context_of_who_came_before_it() -> None:
    days = [transaction(transaction_id=f"a{number}", after=number) for number in range(3)]
    seen = transaction(transaction_id="seen", after=20 * DAY)
    jump = transaction(transaction_id="jump", after=45 * DAY)
    crowd = [transaction(transaction_id="c", user_id=f"c{number}", after=45 * DAY + number) for number in range(3_000)]
    windows = Windows()
    advanced(windows, batch_of(*days))

    batch = batch_of(seen, jump, *crowd, first_offset=3)
    out, newest = new_outputs(len(batch)), np.zeros(len(batch), np.int64)
    windows.advance(batch, np.arange(len(batch)), out, newest, MOVING)

    assert len(windows.context(batch, 0, int(newest[0]), 64)) == 3


@pytest.mark.parametrize("surplus", [pytest.param(0, id="exactly the cap"), pytest.param(3, id="three over the cap")])
def test_a_capped_user_is_judged_on_what_was_kept_and_marked(surplus: int) -> None:
    count = CAP + surplus
    burst = [transaction(transaction_id=f"t{number}", after=number) for number in range(count)]
    windows = Windows()
    advanced(windows, batch_of(*burst))

    after = batch_of(transaction(transaction_id="after", after=count), first_offset=count)
    said = said_of(advanced(windows, after)[0])[0]

    assert said["count_30d"] == CAP
    assert said["incomplete"] is (surplus > 0)
    assert len(windows.context(after, 0, windows.newest, 64)) == 64


def test_a_late_payment_of_a_capped_user_is_marked_and_not_kept() -> None:
    burst = [transaction(transaction_id=f"t{number}", after=100 + number) for number in range(CAP)]
    windows = Windows()
    advanced(windows, batch_of(*burst))

    late = batch_of(transaction(transaction_id="late", after=0), first_offset=CAP)
    advanced(windows, late)
    after = batch_of(transaction(transaction_id="after", after=100 + CAP), first_offset=CAP + 1)

    said = said_of(advanced(windows, after)[0])[0]
    assert said["count_30d"] == CAP
    assert said["incomplete"] is True


def test_freeing_silent_users_cannot_be_observed() -> None:
    crowd = [transaction(transaction_id="t", user_id=f"u{number}", after=number) for number in range(5_000)]
    later = [transaction(transaction_id="t", user_id=f"v{number}", after=38 * DAY + number) for number in range(5_000)]
    windows = Windows()

    advanced(windows, batch_of(*crowd))
    advanced(windows, batch_of(*later[:1], first_offset=5_000))
    advanced(windows, batch_of(*later[1:], first_offset=5_001))
    back = batch_of(transaction(transaction_id="t", user_id="u0", after=39 * DAY), first_offset=10_000)

    assert windows.users() == 5_000
    assert said_of(advanced(windows, back)[0])[0]["count_30d"] == 0


def advanced(windows: Windows, batch: Batch) -> tuple[Any, Windows]:
    out, newest = new_outputs(len(batch)), np.zeros(len(batch), np.int64)
    windows.advance(batch, np.arange(len(batch)), out, newest, MOVING)
    return out, windows


def cut(batch: Batch, start: int, end: int) -> Batch:
    names = [name for name in Batch.__dataclass_fields__ if name != "rows"]
    return replace(batch, **{name: getattr(batch, name)[start:end] for name in names})


def same_memory(one: Windows, other: Windows) -> bool:
    left, right = one.remembered(), other.remembered()
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in left.__dataclass_fields__)


def said_of(out: Any) -> Sequence[dict[str, Any]]:
    """The kernel's output by the oracle's names."""
    blocks = {
        "count": kernel.COUNT,
        "declined": kernel.DECLINED,
        "spent": kernel.SPENT,
        "spends": kernel.SPENDS,
        "largest": kernel.LARGEST,
    }
    singles = {
        "merchants": kernel.MERCHANTS, "countries": kernel.COUNTRIES, "since_last": kernel.SINCE_LAST, "oldest": kernel.OLDEST,
        "hour": kernel.HOUR_OF_DAY, "hour_known": kernel.HOUR_KNOWN, "hour_same": kernel.HOUR_SAME,
        "since_place": kernel.SINCE_PLACE, "metres": kernel.METRES,
        "seen_merchant": kernel.SEEN_MERCHANT, "seen_device": kernel.SEEN_DEVICE, "seen_country": kernel.SEEN_COUNTRY,
    }  # fmt: skip
    said = []
    for row in out.tolist():
        named = {f"{block}_{name}": row[at + place] for block, at in blocks.items() for place, name in enumerate(SPANS)}
        named |= {name: row[at] for name, at in singles.items()}
        named["status"] = ("decided", "duplicate", "conflict")[row[kernel.STATUS]]
        named["incomplete"] = bool(row[kernel.NOTES] & kernel.INCOMPLETE)
        named["reused"] = bool(row[kernel.NOTES] & kernel.REUSED)
        said.append(named)
    return said
