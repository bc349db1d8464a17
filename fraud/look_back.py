"""One look back over a user's ring: every window of a payment in one scan."""

import math
from typing import Final

import numpy as np

from fraud.batch import Mark
from fraud.columns import Bools, Ints
from fraud.kernels import kernel
from fraud.ring import (
    AMOUNT,
    BITS,
    CARD,
    COUNTRY_AT,
    COUNTRY_MASK,
    CURRENCY_AT,
    CURRENCY_MASK,
    DEVICE,
    EVENT_TIME,
    HEAD,
    HOT,
    LENGTH,
    MCC_AT,
    MCC_MASK,
    MERCHANT,
    PAYLOAD,
    PLACE,
    START,
    TRANSACTION,
    ZONE_AT,
    ZONE_ZERO,
    Memory,
    Rows,
    packed,
)
from fraud.window_columns import (
    CONFLICT,
    COUNT,
    COUNTRIES,
    DAY,
    DECLINED,
    DUPLICATE,
    HOUR,
    HOUR_KNOWN,
    HOUR_OF_DAY,
    HOUR_SAME,
    LARGEST,
    MERCHANTS,
    METRES,
    MINUTE,
    NOTES,
    OLDEST,
    REACH,
    REUSED,
    SEEN_COUNTRY,
    SEEN_DEVICE,
    SEEN_MERCHANT,
    SINCE_LAST,
    SINCE_PLACE,
    SPANS,
    SPENDS,
    SPENT,
    STATUS,
    WEEKDAY,
)

_ATTEMPT, _SPEND, _DECLINED = int(Mark.ATTEMPT), int(Mark.SPEND), int(Mark.DECLINED)
_CARD_PRESENT, _REMOTE, _PHYSICAL = int(Mark.CARD_PRESENT), int(Mark.REMOTE), int(Mark.PHYSICAL)
_HAS_CARD, _HAS_MERCHANT, _HAS_DEVICE = int(Mark.HAS_CARD), int(Mark.HAS_MERCHANT), int(Mark.HAS_DEVICE)
_HAS_COUNTRY, _HAS_MCC = int(Mark.HAS_COUNTRY), int(Mark.HAS_MCC)
_EARTH_RADIUS: Final = 6_371_008.8
"""Mean radius in metres (IUGG)."""
_SETS: Final = 16_384
_UNKNOWN: Final = -9_999
_HAS_HOUR: Final = _CARD_PRESENT | _REMOTE
_ANY_DAY: Final = 64 * DAY
"""Keeps a difference of moments within the window positive, so that it can be divided without a sign."""


@kernel
def look_back(  # noqa: C901, PLR0915 - one loop, its invariant above it
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
    longer than the age of the one at hand is already closed (written to `out`). Remote payments take the zone of the
    card-present one before them, so `hour_known` and `hour_same` hold those since the last card-present one scanned.
    """
    hot, cold = memory.hot, memory.cold
    packed_country = packed(country)
    first = memory.users[index, START] + memory.users[index, HEAD]
    out[:] = 0
    place = (latitude << 32) | (longitude & 0xFFFFFFFF)
    travels = (marks & _PHYSICAL) != 0 and not ((marks & _HAS_MCC) != 0 and moving[mcc])
    last = first + memory.users[index, LENGTH] - 1
    zone = utc_offset if (marks & _CARD_PRESENT) != 0 else _last_zone(hot, first, last, time)
    hour_begins = _hour_begin(time, zone)
    scratch[1, 0] += 1
    generation = scratch[1, 0]
    span = 0
    closes_at = SPANS[0]
    count = declined = spent = spends = largest = 0
    since_last = since_place = metres = oldest = -1
    seen_merchant = seen_device = seen_country = merchants = countries = reused = 0
    hours = same_hours = hour_known = hour_same = zones = 0
    for row in range(last, first - 1, -1):
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
        # From here on sums take 0 or 1 times a value: which payments are of a kind is random, and a branch on it is mispredicted.
        bits = hot[row, BITS]
        oldest = age
        attempt = bits & _ATTEMPT
        count += attempt
        declined += attempt * ((bits & _DECLINED) // _DECLINED)
        if since_last < 0 and attempt != 0:
            since_last = age
        spend = ((bits & _SPEND) // _SPEND) * (((bits >> CURRENCY_AT) & CURRENCY_MASK) == currency)
        spends += spend
        spent += spend * hot[row, AMOUNT]
        largest = max(largest, spend * hot[row, AMOUNT])
        seen_merchant |= ((bits & _HAS_MERCHANT) != 0) & (np.uint64(hot[row, MERCHANT]) == merchant)
        seen_device |= ((bits & _HAS_DEVICE) != 0) & (np.uint64(hot[row, DEVICE]) == device)
        seen_country |= ((bits & _HAS_COUNTRY) != 0) & (((bits >> COUNTRY_AT) & COUNTRY_MASK) == packed_country)
        # Hours as if every zone were the same; those of remote payments count once a card-present one before them is met.
        hours += (bits & _HAS_HOUR) != 0
        since_hour = np.uint64(_ANY_DAY - age + time - hour_begins + zone * MINUTE)
        same_hours += ((bits & _HAS_HOUR) != 0) & (since_hour % np.uint64(DAY) < np.uint64(HOUR))
        is_present = (bits & _CARD_PRESENT) != 0
        hour_known = hours if is_present else hour_known
        hour_same = same_hours if is_present else hour_same
        zones |= is_present & ((bits >> ZONE_AT) - ZONE_ZERO != zone)
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
    if (marks & _HAS_HOUR) != 0 and zone != _UNKNOWN:
        local = time + zone * MINUTE
        out[HOUR_OF_DAY] = (local // HOUR) % 24
        out[WEEKDAY] = (local // DAY + 3) % 7  # 1970-01-01 was a Thursday
        out[HOUR_SAME] = _hours_in_their_zones(hot, first, last, time, hour_begins) if zones else hour_same


@kernel
def _last_zone(hot: Rows, first: int, last: int, time: int) -> int:  # pragma: no cover
    """UTC offset of the last card-present payment in the window, minutes; _UNKNOWN without one."""
    for row in range(last, first - 1, -1):
        age = time - hot[row, EVENT_TIME]
        if age >= REACH:
            break
        if age >= 0 and (hot[row, BITS] & _CARD_PRESENT) != 0:
            zone: int = (hot[row, BITS] >> ZONE_AT) - ZONE_ZERO
            return zone
    return _UNKNOWN


@kernel
def _hours_in_their_zones(hot: Rows, first: int, last: int, time: int, hour_begins: int) -> int:  # pragma: no cover
    """Payments of the window in this local hour, each by the UTC offset of the card-present one at or before it: for travellers."""
    same = 0
    zone = _UNKNOWN
    for row in range(first, last + 1):
        age = time - hot[row, EVENT_TIME]
        bits = hot[row, BITS]
        if age < 0 or age >= REACH or (bits & _HAS_HOUR) == 0:
            continue
        if (bits & _CARD_PRESENT) != 0:
            zone = (bits >> ZONE_AT) - ZONE_ZERO
        if zone != _UNKNOWN:
            same += (hot[row, EVENT_TIME] + zone * MINUTE - hour_begins) % DAY < HOUR
    return same


@kernel
def _hour_begin(time: int, utc_offset: int) -> int:  # pragma: no cover
    """When the local clock hour of a moment began, on the local clock, microseconds."""
    local = time + utc_offset * MINUTE
    return local - local % HOUR


@kernel
def _close(
    out: Ints, span: int, count: int, declined: int, spent: int, spends: int, largest: int
) -> None:  # pragma: no cover
    out[COUNT + span] = count
    out[DECLINED + span] = declined
    out[SPENT + span] = spent
    out[SPENDS + span] = spends
    out[LARGEST + span] = largest


@kernel
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


@kernel
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
