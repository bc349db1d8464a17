"""The kernel that remembers: one pass over a batch, one scan of the user's ring for each payment.

Order is (event_time, arrival). A window w of a payment at t holds the payments in (t - w, t] that arrived before it and are
visible: event_time >= W - (30 d + L), where W is the newest event time the partition has seen so far. So nothing depends on
when memory was freed, how the log was cut into batches, or on which thread a user is.
"""

import numpy as np

from fraud.batch import Mark
from fraud.columns import Bools, Hashes, Ints
from fraud.kernels import kernel
from fraud.look_back import look_back
from fraud.ring import (
    AMOUNT,
    BITS,
    BURIED,
    CAP,
    CARD,
    COUNTRY_AT,
    CURRENCY_AT,
    DEVICE,
    DROPPED,
    EVENT_TIME,
    HEAD,
    HOT,
    HOUR_AT,
    LENGTH,
    MCC_AT,
    MERCHANT,
    OFFSET,
    PAYLOAD,
    PLACE,
    START,
    TRANSACTION,
    ZONE_AT,
    ZONE_ZERO,
    Memory,
    Rows,
    add_user,
    evict,
    find,
    has_room,
    open_slot,
    packed,
)
from fraud.window_columns import DECIDED, HOUR_OF_DAY, INCOMPLETE, LATENESS, NOTES, REACH, STATUS, TOO_LATE

_CARD_PRESENT = int(Mark.CARD_PRESENT)

_AHEAD = 8
"""Users whose rings are fetched before the first of them is looked at: they fit the nearest cache."""

ROOM, EVICTED_ROOM = -1, -2
"""Why a pass stopped."""


@kernel
def advance(  # noqa: C901, PLR0915 - one loop, its invariant above it
    memory: Memory,
    rows: Ints,
    begin: int,
    newest: Ints,
    keep_evicted: bool,
    moving: Bools,
    event_time: Ints,
    offset: Ints,
    utc_offset: Ints,
    user: Hashes,
    transaction: Hashes,
    payload: Hashes,
    amount: Ints,
    currency: Ints,
    marks: Ints,
    card: Hashes,
    merchant: Hashes,
    device: Hashes,
    country: Ints,
    mcc: Ints,
    latitude: Ints,
    longitude: Ints,
    out: Rows,
    scratch: Rows,
) -> tuple[int, int]:
    """Decide what memory says of `rows[begin:]` and remember them.

    `newest` is W for every row of the batch. Returns (rows done, 0), or (rows done, ROOM or EVICTED_ROOM) when the caller
    must make room before the next one: nothing of that payment has happened yet.
    """
    for done in range(begin, len(rows)):
        row = rows[done]
        if (done - begin) % _AHEAD == 0:
            for later in range(done, min(done + _AHEAD, len(rows))):
                scratch[1, 1] += _touch(memory, user[rows[later]])
        index = find(memory.table, memory.hashes, user[row])
        if not has_room(memory, index):
            return done, ROOM
        if keep_evicted and memory.used[BURIED] + CAP + 1 > len(memory.evicted):
            return done, EVICTED_ROOM
        if index < 0:
            index = add_user(memory, user[row], 4)
        horizon = newest[row] - REACH - LATENESS
        ring = memory.users[index]
        while ring[LENGTH] > 0 and memory.hot[ring[START] + ring[HEAD], EVENT_TIME] < horizon:
            evict(memory, index, row, keep_evicted)
        look_back(
            memory,
            index,
            moving,
            event_time[row],
            utc_offset[row],
            transaction[row],
            payload[row],
            currency[row],
            marks[row],
            card[row],
            merchant[row],
            device[row],
            country[row],
            mcc[row],
            latitude[row],
            longitude[row],
            out[row],
            scratch,
        )
        late = event_time[row] < newest[row] - LATENESS
        if late:
            out[row, NOTES] |= TOO_LATE | INCOMPLETE
        if ring[DROPPED] > event_time[row] - REACH:
            out[row, NOTES] |= INCOMPLETE
        if late or out[row, STATUS] != DECIDED:
            continue
        position = _position(memory.hot, ring[START] + ring[HEAD], ring[LENGTH], event_time[row])
        if ring[LENGTH] == CAP:
            if position == 0:
                ring[DROPPED] = max(ring[DROPPED], event_time[row])
                continue
            ring[DROPPED] = max(ring[DROPPED], memory.hot[ring[START] + ring[HEAD], EVENT_TIME])
            evict(memory, index, row, keep_evicted)
            position -= 1
        slot = open_slot(memory, index, position)
        hot, cold = memory.hot[slot], memory.cold[slot]
        hot[EVENT_TIME] = event_time[row]
        hot[AMOUNT] = amount[row]
        hot[BITS] = (
            marks[row]
            | (currency[row] << CURRENCY_AT)
            | (mcc[row] << MCC_AT)
            | (((out[row, HOUR_OF_DAY] + 1) * ((marks[row] & _CARD_PRESENT) // _CARD_PRESENT)) << HOUR_AT)
            | (packed(country[row]) << COUNTRY_AT)
            | ((utc_offset[row] + ZONE_ZERO) << ZONE_AT)
        )
        hot[TRANSACTION] = np.int64(transaction[row])
        hot[MERCHANT] = np.int64(merchant[row])
        hot[DEVICE] = np.int64(device[row])
        cold[OFFSET - HOT] = offset[row]
        cold[PAYLOAD - HOT] = np.int64(payload[row])
        cold[CARD - HOT] = np.int64(card[row])
        cold[PLACE - HOT] = (latitude[row] << 32) | (longitude[row] & 0xFFFFFFFF)
    return len(rows), 0


@kernel
def _touch(memory: Memory, user: np.uint64) -> int:  # pragma: no cover
    """Read a ring in no order that anybody waits for, so that fetches of several users' memory overlap: a sixth less time."""
    index = find(memory.table, memory.hashes, user)
    total = 0
    if index >= 0:
        first = memory.users[index, START] + memory.users[index, HEAD]
        for row in range(first, first + memory.users[index, LENGTH]):
            total += memory.hot[row, EVENT_TIME]
    return total


@kernel
def _position(hot: Rows, first: int, length: int, time: int) -> int:  # pragma: no cover
    """After the last payment with event_time <= time: arrival breaks ties."""
    position = length
    while position > 0 and hot[first + position - 1, EVENT_TIME] > time:
        position -= 1
    return position
