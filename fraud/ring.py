"""The memory of one shard: an open-addressing table of users, and one ring of recent payments for each, in flat arrays.

A ring is a block of rows in the arena, ordered by (event_time, arrival): rows `start + head` to `start + head + length`. A row
lies in two arrays: what every look back reads (`hot`), and what it seldom does (`cold`); together that is half the memory traffic.
The kernel never allocates; where it runs out of room it stops before the payment, and `Shard` makes room and goes on.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from fraud.columns import Hashes, Ints
from fraud.kernels import kernel

Rows = npt.NDArray[np.int64]
"""Payments as remembered, shape (n, WIDTH); hashes are kept bit for bit."""

EVENT_TIME, AMOUNT, BITS, TRANSACTION, MERCHANT, DEVICE, OFFSET, PAYLOAD, CARD, PLACE = range(10)
WIDTH: Final = 10
HOT: Final = 6
"""The first columns are hot, the rest is cold."""
# BITS, from the lowest: marks 11, currency 10, mcc 14, local hour + 1 (card present, else 0) 5, country 10, UTC offset in minutes + 1024 11
# PLACE: latitude in the upper, longitude in the lower 32 bits
CURRENCY_AT: Final = 11
MCC_AT: Final = 21
HOUR_AT: Final = 35
COUNTRY_AT: Final = 40
ZONE_AT: Final = 50
ZONE_ZERO: Final = 1_024
CURRENCY_MASK: Final = 1_023
MCC_MASK: Final = 16_383
HOUR_MASK: Final = 31
COUNTRY_MASK: Final = 1_023

CAP: Final = 4_096
"""Payments remembered of one user at most."""
NEVER: Final = -(2**62)
_SMALLEST: Final = 4
_LARGEST: Final = 2 * CAP

START, HEAD, LENGTH, CAPACITY, DROPPED = range(5)
# columns of `users`: the block's first row, the ring's first row in it, rows in use, rows of the block,
# and the newest event time that the cap pushed out

USERS, ARENA, BURIED = range(3)
# columns of `used`: users, arena rows, evicted rows


class Memory(NamedTuple):
    """The arrays of one shard, as kernels take them."""

    table: Ints
    """Index into `users` + 1, 0 where free; a power of two long, at most half full."""
    hashes: Hashes
    users: Ints
    hot: Rows
    cold: Rows
    used: Ints
    evicted: Rows
    """Rows that left a ring during this batch, with the user's hash and the batch row at which they left."""


@dataclass(slots=True)
class Shard:
    """Memory that grows. Users who have fallen silent are freed when room is needed; nobody can observe it."""

    memory: Memory = field(default_factory=lambda: empty(users=1_024, rows=8_192))

    def make_room(self, horizon: int) -> None:
        """Compact what is visible from `horizon` on; grow when that leaves too little room."""
        hashes, lengths, dropped, rows = self.canonical(horizon)
        users = max(2 * len(hashes), 1_024)
        evicted, buried = self.memory.evicted, self.memory.used[BURIED]
        again = filled(hashes, lengths, dropped, rows, users=users, spare_rows=max(len(rows), 4 * _LARGEST))
        self.memory = again._replace(evicted=evicted)
        self.memory.used[BURIED] = buried  # contexts of this batch still ask for them

    def more_evicted(self) -> None:
        """Twice the room for evicted rows."""
        evicted = np.empty((2 * len(self.memory.evicted), WIDTH + 2), np.int64)
        evicted[: len(self.memory.evicted)] = self.memory.evicted
        self.memory = self.memory._replace(evicted=evicted)

    def canonical(self, horizon: int) -> tuple[Hashes, Ints, Ints, Rows]:
        """Users by hash with what is visible of them: hashes, lengths, dropped, rows in order. Equal memory gives equal arrays."""
        memory = self.memory
        count = int(memory.used[USERS])
        order = np.argsort(memory.hashes[:count], kind="stable")
        lengths = _visible_lengths(memory.users, memory.hot, order, horizon)
        kept = order[lengths > 0]
        lengths = lengths[lengths > 0]
        dropped = np.where(memory.users[kept, DROPPED] >= horizon, memory.users[kept, DROPPED], NEVER)
        rows = _gathered(memory.users, memory.hot, memory.cold, kept, lengths)
        return memory.hashes[kept], lengths, dropped, rows

    def ring(self, user: int) -> Rows:
        """The rows remembered of one user (by hash), oldest first; empty for an unknown one."""
        memory = self.memory
        index = int(find(memory.table, memory.hashes, np.uint64(user)))
        if index < 0:
            return np.empty((0, WIDTH), np.int64)
        start, head, length = (int(memory.users[index, column]) for column in (START, HEAD, LENGTH))
        span = slice(start + head, start + head + length)
        return np.hstack([memory.hot[span], memory.cold[span]])

    def evicted_of(self, user: int) -> Rows:
        """What left this user's ring during the last batch: rows with two more columns, the second the batch row."""
        buried = self.memory.evicted[: int(self.memory.used[BURIED])]
        rows: Rows = buried[buried[:, WIDTH].view(np.uint64) == np.uint64(user)]
        return rows


def empty(users: int, rows: int) -> Memory:
    """Memory for so many users and rows, knowing nobody."""
    return Memory(
        table=np.zeros(_power_of_two(2 * users), np.int64),
        hashes=np.zeros(users, np.uint64),
        users=np.zeros((users, 5), np.int64),
        hot=np.empty((rows, HOT), np.int64),
        cold=np.empty((rows, WIDTH - HOT), np.int64),
        used=np.zeros(3, np.int64),
        evicted=np.empty((1_024, WIDTH + 2), np.int64),
    )


def filled(hashes: Hashes, lengths: Ints, dropped: Ints, rows: Rows, *, users: int, spare_rows: int) -> Memory:
    """Memory with canonical content and room for more."""
    capacities = _capacities(lengths)
    memory = empty(users, int(capacities.sum()) + spare_rows)
    _fill(memory, hashes, lengths, dropped, rows, capacities)
    return memory


def _power_of_two(at_least: int) -> int:
    return 1 << max(4, (at_least - 1).bit_length())


@kernel
def packed(country: int) -> int:  # pragma: no cover
    """Two letters (256 * first + second) as one of 676 and above 0; 0 stays 0."""
    return 0 if country == 0 else ((country >> 8) - 65) * 26 + (country & 0xFF) - 64


@kernel
def find(table: Ints, hashes: Hashes, user: np.uint64) -> int:  # pragma: no cover
    """Index of a user, -1 when unknown. Linear probing from the hash's own low bits: xxh3 mixes well."""
    mask = np.uint64(len(table) - 1)
    at = user & mask
    while table[at] != 0:
        index: int = table[at] - 1
        if hashes[index] == user:
            return index
        at = (at + np.uint64(1)) & mask
    return -1


@kernel
def add_user(memory: Memory, user: np.uint64, capacity: int) -> int:  # pragma: no cover
    """Enter a user with an empty block; the caller has made sure of the room."""
    index: int = memory.used[USERS]
    memory.used[USERS] += 1
    memory.hashes[index] = user
    mask = np.uint64(len(memory.table) - 1)
    at = user & mask
    while memory.table[at] != 0:
        at = (at + np.uint64(1)) & mask
    memory.table[at] = index + 1
    memory.users[index, START] = memory.used[ARENA]
    memory.users[index, HEAD] = 0
    memory.users[index, LENGTH] = 0
    memory.users[index, CAPACITY] = capacity
    memory.users[index, DROPPED] = NEVER
    memory.used[ARENA] += capacity
    return index


@kernel
def has_room(memory: Memory, index: int) -> bool:  # pragma: no cover
    """Whether one more payment of this user (-1: a new one) surely fits."""
    if index < 0:
        return bool(memory.used[USERS] < len(memory.hashes) and memory.used[ARENA] + _SMALLEST <= len(memory.hot))
    user = memory.users[index]
    if user[HEAD] + user[LENGTH] < user[CAPACITY] or user[HEAD] * 4 >= user[CAPACITY]:
        return True
    return bool(memory.used[ARENA] + 2 * user[CAPACITY] <= len(memory.hot))


@kernel
def evict(memory: Memory, index: int, row: int, keep: bool) -> None:  # pragma: no cover
    """Take the oldest payment out of a ring, keeping a copy for the contexts of this batch."""
    user = memory.users[index]
    if keep:
        at = memory.used[BURIED]
        memory.evicted[at, :HOT] = memory.hot[user[START] + user[HEAD]]
        memory.evicted[at, HOT:WIDTH] = memory.cold[user[START] + user[HEAD]]
        memory.evicted[at, WIDTH] = np.int64(memory.hashes[index])
        memory.evicted[at, WIDTH + 1] = row
        memory.used[BURIED] += 1
    user[HEAD] += 1
    user[LENGTH] -= 1
    if user[LENGTH] == 0:
        user[HEAD] = 0


@kernel
def open_slot(memory: Memory, index: int, position: int) -> int:  # pragma: no cover
    """Make place for one row before `position` of a ring; returns the arena row to write."""
    user = memory.users[index]
    if user[HEAD] + user[LENGTH] == user[CAPACITY]:
        source = user[START] + user[HEAD]
        target = user[START]
        if user[HEAD] * 4 < user[CAPACITY]:
            target = memory.used[ARENA]
            memory.used[ARENA] += 2 * user[CAPACITY]
            user[CAPACITY] *= 2
        for row in range(user[LENGTH]):
            memory.hot[target + row] = memory.hot[source + row]
            memory.cold[target + row] = memory.cold[source + row]
        user[START] = target
        user[HEAD] = 0
    first: int = user[START] + user[HEAD]
    for row in range(first + user[LENGTH], first + position, -1):
        memory.hot[row] = memory.hot[row - 1]
        memory.cold[row] = memory.cold[row - 1]
    user[LENGTH] += 1
    return first + position


@kernel
def _visible_lengths(users: Ints, hot: Rows, order: Ints, horizon: int) -> Ints:  # pragma: no cover
    """Trim every ring to what is visible; its new length, in the given order of users."""
    lengths = np.empty(len(order), np.int64)
    for place in range(len(order)):
        user = users[order[place]]
        while user[LENGTH] > 0 and hot[user[START] + user[HEAD], EVENT_TIME] < horizon:
            user[HEAD] += 1
            user[LENGTH] -= 1
        lengths[place] = user[LENGTH]
    return lengths


@kernel
def _gathered(users: Ints, hot: Rows, cold: Rows, kept: Ints, lengths: Ints) -> Rows:  # pragma: no cover
    rows = np.empty((lengths.sum(), WIDTH), np.int64)
    at = 0
    for place in range(len(kept)):
        first = users[kept[place], START] + users[kept[place], HEAD]
        rows[at : at + lengths[place], :HOT] = hot[first : first + lengths[place]]
        rows[at : at + lengths[place], HOT:] = cold[first : first + lengths[place]]
        at += lengths[place]
    return rows


@kernel
def _capacities(lengths: Ints) -> Ints:  # pragma: no cover
    """The block each ring gets: the power of two that leaves it room to grow, never over twice the cap."""
    capacities = np.empty(len(lengths), np.int64)
    for place in range(len(lengths)):
        capacity = _SMALLEST
        while capacity < lengths[place] + 1 and capacity < _LARGEST:
            capacity *= 2
        capacities[place] = capacity
    return capacities


@kernel
def _fill(
    memory: Memory, hashes: Hashes, lengths: Ints, dropped: Ints, rows: Rows, capacities: Ints
) -> None:  # pragma: no cover
    at = 0
    for place in range(len(hashes)):
        index = add_user(memory, hashes[place], capacities[place])
        start = memory.users[index, START]
        memory.hot[start : start + lengths[place]] = rows[at : at + lengths[place], :HOT]
        memory.cold[start : start + lengths[place]] = rows[at : at + lengths[place], HOT:]
        memory.users[index, LENGTH] = lengths[place]
        memory.users[index, DROPPED] = dropped[place]
        at += lengths[place]
