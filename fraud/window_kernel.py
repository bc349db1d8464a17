"""The kernel that remembers: one pass over a batch, one scan of the user's ring for each payment.

Order is (event_time, arrival). A window w of a payment at t holds the payments in (t - w, t] that arrived before it and are
visible: event_time >= W - (30 d + L), where W is the newest event time the partition has seen so far. So nothing depends on
when memory was freed, how the log was cut into batches, or on which thread a user is.
"""

import math
from typing import Final

import numpy as np
from numba import njit

from fraud.batch import Mark
from fraud.columns import Bools, Hashes, Ints
from fraud.ring import (
    AMOUNT,
    BITS,
    BURIED,
    CAP,
    CARD,
    COUNTRY_AT,
    COUNTRY_MASK,
    CURRENCY_AT,
    CURRENCY_MASK,
    DEVICE,
    DROPPED,
    EVENT_TIME,
    HEAD,
    HOT,
    HOUR_AT,
    HOUR_MASK,
    LENGTH,
    MCC_AT,
    MCC_MASK,
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
)

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
LATENESS: Final = 7 * DAY
"""A payment older than this behind the newest one is judged on what is there and not remembered."""
REACH: Final = 30 * DAY
"""Every feature is a function of this much."""
SPANS: Final = np.array([5 * MINUTE, HOUR, DAY, 7 * DAY, REACH, 2**62])
"""The windows, and an end that no age reaches."""

DECIDED, DUPLICATE, CONFLICT = range(3)
INCOMPLETE, TOO_LATE, REUSED = 1, 2, 4

# Columns of the output, int64; -1 is absent.
STATUS, NOTES = 0, 1
COUNT, DECLINED, SPENT, SPENDS, LARGEST = 2, 7, 12, 17, 22
HOUR_OF_DAY, WEEKDAY, HOUR_SAME, HOUR_KNOWN = 27, 28, 29, 30
SINCE_LAST, SINCE_PLACE, METRES, COUNTRIES, MERCHANTS, OLDEST = 31, 32, 33, 34, 35, 36
SEEN_MERCHANT, SEEN_DEVICE, SEEN_COUNTRY = 37, 38, 39
OUTPUTS: Final = 40

_ATTEMPT, _SPEND, _DECLINED = int(Mark.ATTEMPT), int(Mark.SPEND), int(Mark.DECLINED)
_CARD_PRESENT, _REMOTE, _PHYSICAL = int(Mark.CARD_PRESENT), int(Mark.REMOTE), int(Mark.PHYSICAL)
_HAS_CARD, _HAS_MERCHANT, _HAS_DEVICE = int(Mark.HAS_CARD), int(Mark.HAS_MERCHANT), int(Mark.HAS_DEVICE)
_HAS_COUNTRY, _HAS_MCC = int(Mark.HAS_COUNTRY), int(Mark.HAS_MCC)
_EARTH_RADIUS: Final = 6_371_008.8
"""Mean radius in metres (IUGG)."""
_SETS: Final = 16_384
_UNKNOWN: Final = -9_999

ROOM, EVICTED_ROOM = -1, -2


@njit(cache=True, nogil=True)
def advance(  # noqa: C901 - one loop, its invariant above it
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
        _look_back(
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
            | ((out[row, HOUR_OF_DAY] + 1) << HOUR_AT)
            | (_packed(country[row]) << COUNTRY_AT)
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


@njit(cache=True, nogil=True)
def _look_back(  # noqa: C901, PLR0915 - one loop, its invariant above it
    memory: Memory,
    index: int,
    moving: Bools,
    time: int,
    utc_offset: int,
    transaction: np.uint64,
    payload: np.uint64,
    currency: int,
    marks: int,
    card: np.uint64,
    merchant: np.uint64,
    device: np.uint64,
    country: int,
    mcc: int,
    latitude: int,
    longitude: int,
    out: Ints,
    scratch: Rows,
) -> None:
    """One scan of the ring from the newest payment back.

    Invariant: sums hold exactly the payments scanned so far with event_time <= t, and every window whose span is not
    longer than the age of the one at hand is already closed (written to `out`).
    """
    hot, cold = memory.hot, memory.cold
    packed_country = _packed(country)
    first = memory.users[index, START] + memory.users[index, HEAD]
    out[:] = 0
    place = (latitude << 32) | (longitude & 0xFFFFFFFF)
    travels = (marks & _PHYSICAL) != 0 and not ((marks & _HAS_MCC) != 0 and moving[mcc])
    known_offset = utc_offset if (marks & _CARD_PRESENT) != 0 else _UNKNOWN
    hours = scratch[0]
    hours[:24] = 0
    scratch[1, 0] += 1
    generation = scratch[1, 0]
    span = 0
    closes_at = SPANS[0]
    count = declined = spent = spends = largest = 0
    since_last = since_place = metres = oldest = -1
    seen_merchant = seen_device = seen_country = merchants = countries = hour_known = reused = 0
    for row in range(first + memory.users[index, LENGTH] - 1, first - 1, -1):
        age = time - hot[row, EVENT_TIME]
        if np.uint64(hot[row, TRANSACTION]) == transaction:
            if age == 0:
                out[STATUS] = DUPLICATE if np.uint64(cold[row, PAYLOAD - HOT]) == payload else CONFLICT
                return
            reused = REUSED
        if age < 0 or age >= REACH:
            continue
        while age >= closes_at:
            _close(out, span, count, declined, spent, spends, largest)
            span += 1
            closes_at = SPANS[span]
        bits = hot[row, BITS]
        oldest = age
        if (bits & _ATTEMPT) != 0:
            count += 1
            declined += (bits & _DECLINED) // _DECLINED
            if since_last < 0:
                since_last = age
        if (bits & _SPEND) != 0 and ((bits >> CURRENCY_AT) & CURRENCY_MASK) == currency:
            spends += 1
            spent += hot[row, AMOUNT]
            largest = max(largest, hot[row, AMOUNT])
        if known_offset == _UNKNOWN and (bits & _CARD_PRESENT) != 0:
            known_offset = (bits >> ZONE_AT) - ZONE_ZERO
        hour = (bits >> HOUR_AT) & HOUR_MASK
        if hour > 0:
            hours[hour - 1] += 1
            hour_known += 1
        if (bits & _HAS_MERCHANT) != 0 and np.uint64(hot[row, MERCHANT]) == merchant:
            seen_merchant = 1
        if (bits & _HAS_DEVICE) != 0 and np.uint64(hot[row, DEVICE]) == device:
            seen_device = 1
        if (bits & _HAS_COUNTRY) != 0 and ((bits >> COUNTRY_AT) & COUNTRY_MASK) == packed_country:
            seen_country = 1
        if age < DAY:
            if (bits & _HAS_MERCHANT) != 0:
                merchants += _first_time(scratch, 2, generation, hot[row, MERCHANT])
            if (bits & _HAS_COUNTRY) != 0:
                countries += _first_time(scratch, 4, generation, (bits >> COUNTRY_AT) & COUNTRY_MASK)
        if travels and since_place < 0 and (bits & _PHYSICAL) != 0:
            same_card = (marks & _HAS_CARD) == 0 or (
                (bits & _HAS_CARD) != 0 and np.uint64(cold[row, CARD - HOT]) == card
            )
            if same_card and not ((bits & _HAS_MCC) != 0 and moving[(bits >> MCC_AT) & MCC_MASK]):
                since_place = age
                metres = 0 if cold[row, PLACE - HOT] == place else _metres(cold[row, PLACE - HOT], latitude, longitude)
    while span < len(SPANS) - 1:
        _close(out, span, count, declined, spent, spends, largest)
        span += 1
    out[NOTES] = reused
    out[SINCE_LAST], out[SINCE_PLACE], out[METRES], out[OLDEST] = since_last, since_place, metres, oldest
    out[SEEN_MERCHANT], out[SEEN_DEVICE], out[SEEN_COUNTRY] = seen_merchant, seen_device, seen_country
    out[MERCHANTS], out[COUNTRIES], out[HOUR_KNOWN] = merchants, countries, hour_known
    out[HOUR_OF_DAY] = out[WEEKDAY] = -1
    if (marks & (_CARD_PRESENT | _REMOTE)) != 0 and known_offset != _UNKNOWN:
        local = time + known_offset * MINUTE
        out[HOUR_OF_DAY] = (local // HOUR) % 24
        out[WEEKDAY] = (local // DAY + 3) % 7  # 1970-01-01 was a Thursday
        out[HOUR_SAME] = hours[out[HOUR_OF_DAY]]


@njit(cache=True, nogil=True)
def _packed(country: int) -> int:  # pragma: no cover
    """Two letters (256 * first + second) as one of 676 and above 0; 0 stays 0."""
    return 0 if country == 0 else ((country >> 8) - 65) * 26 + (country & 0xFF) - 64


@njit(cache=True, nogil=True)
def _close(
    out: Ints, span: int, count: int, declined: int, spent: int, spends: int, largest: int
) -> None:  # pragma: no cover
    out[COUNT + span] = count
    out[DECLINED + span] = declined
    out[SPENT + span] = spent
    out[SPENDS + span] = spends
    out[LARGEST + span] = largest


@njit(cache=True, nogil=True)
def _position(hot: Rows, first: int, length: int, time: int) -> int:  # pragma: no cover
    """After the last payment with event_time <= time: arrival breaks ties."""
    position = length
    while position > 0 and hot[first + position - 1, EVENT_TIME] > time:
        position -= 1
    return position


@njit(cache=True, nogil=True)
def _first_time(scratch: Rows, which: int, generation: int, value: int) -> int:  # pragma: no cover
    """1 when this value was not yet counted for this payment. A set whose slots are void once the generation moves on."""
    mask = np.uint64(_SETS - 1)
    at = ((np.uint64(value) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask
    while scratch[which, at] == generation:
        if scratch[which + 1, at] == value:
            return 0
        at = (at + np.uint64(1)) & mask
    scratch[which, at] = generation
    scratch[which + 1, at] = value
    return 1


@njit(cache=True, nogil=True)
def _metres(place: int, latitude: int, longitude: int) -> int:  # pragma: no cover
    """Great-circle distance by the haversine formula, in whole metres (0.001 km)."""
    east = np.int64(np.int32(place & 0xFFFFFFFF))
    north = place >> 32
    scale = math.pi / 180.0 / 1e7
    a, b = north * scale, latitude * scale
    half_north = math.sin((b - a) / 2.0)
    half_east = math.sin((longitude - east) * scale / 2.0)
    part = half_north * half_north + math.cos(a) * math.cos(b) * half_east * half_east
    return int(np.rint(2.0 * _EARTH_RADIUS * math.asin(math.sqrt(min(1.0, part)))))


def new_scratch() -> Rows:
    """Work space of one thread: hours in row 0, the generation in row 1, and two sets of `_SETS` slots in two rows each."""
    return np.zeros((6, _SETS), np.int64)
