"""Exact per-user memory of one partition: what a payment's windows hold, whatever the batch cuts and threads.

Every figure is a function of the log up to the payment. See `fraud.window_kernel` for what a window is.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from fraud.batch import Batch
from fraud.columns import Bools, Hashes, Ints
from fraud.look_back import new_scratch
from fraud.ring import BURIED, EVENT_TIME, NEVER, OFFSET, WIDTH, Rows, Shard, filled
from fraud.window_columns import LATENESS, OUTPUTS, REACH
from fraud.window_kernel import EVICTED_ROOM, ROOM, advance

NO_MOVING = np.zeros(10_000, np.bool_)
"""No merchant category moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Canonical content of a partition's memory: equal for equal logs, however it came about."""

    newest: int
    """W: the newest event time seen, in microseconds."""
    hashes: Hashes
    """Users by hash, ascending."""
    lengths: Ints
    """Payments remembered of each."""
    dropped: Ints
    """Newest event time that the cap pushed out of each, or NEVER."""
    rows: Rows
    """Their payments, user by user, ordered by (event_time, arrival)."""


@dataclass(slots=True)
class Windows:
    """Memory of one partition. `shards` only says how many threads may work on it; no result depends on it."""

    shards: int = 1
    newest: int = NEVER
    """W: the newest event time seen, in microseconds."""
    keep_evicted: bool = True
    """Whether `context` will be asked; a silent replay does without."""
    _memories: list[Shard] = field(init=False)
    _scratches: list[Rows] = field(init=False)
    _before: int = field(init=False, default=NEVER)

    def __post_init__(self) -> None:
        """Begin with nothing remembered."""
        self._memories = [Shard() for _ in range(self.shards)]
        self._scratches = [new_scratch() for _ in range(self.shards)]

    def advance(self, batch: Batch, rows: Ints, out: Rows, newest: Ints, moving: Bools = NO_MOVING) -> None:
        """Fill `out[rows]` (int64, shape (n, OUTPUTS)) and `newest[rows]`, and remember these rows of the batch.

        `rows` are this partition's, in arrival order. `moving[mcc]` says whose terminals move.
        """
        if not len(rows):
            return
        times = batch.event_time[rows]
        newest[rows] = np.maximum.accumulate(np.maximum(times, self.newest))
        self._before, self.newest = self.newest, int(newest[rows[-1]])
        for shard in self._memories:
            shard.memory.used[BURIED] = 0
        if self.shards == 1:
            self._advance_shard(0, batch, rows, out, newest, moving)
            return
        shard_of = (batch.user[rows] >> np.uint64(40)) % np.uint64(self.shards)
        with ThreadPoolExecutor(self.shards) as pool:
            list(
                pool.map(
                    lambda number: self._advance_shard(number, batch, rows[shard_of == number], out, newest, moving),
                    range(self.shards),
                )
            )

    def context(self, batch: Batch, row: int, newest: int, limit: int) -> Rows:
        """The last `limit` payments that the windows of one row of the latest batch saw, oldest first."""
        user = int(batch.user[row])
        shard = self._memories[(user >> 40) % self.shards]
        buried = shard.evicted_of(user)
        seen = np.concatenate([buried[buried[:, WIDTH + 1] > row, :WIDTH], shard.ring(user)])
        time, offset = int(batch.event_time[row]), int(batch.offset[row])
        since = max(time - REACH + 1, newest - REACH - LATENESS)
        inside = (seen[:, OFFSET] < offset) & (seen[:, EVENT_TIME] <= time) & (seen[:, EVENT_TIME] >= since)
        seen = seen[inside]
        return seen[np.lexsort((seen[:, OFFSET], seen[:, EVENT_TIME]))][-limit:]

    def remembered(self) -> Remembered:
        """Canonical content, for a checkpoint."""
        parts = [shard.canonical(self._horizon()) for shard in self._memories]
        if len(parts) == 1:
            hashes, lengths, dropped, rows = parts[0]
        else:
            hashes, lengths, dropped, rows = _merged(parts)
        return Remembered(newest=self.newest, hashes=hashes, lengths=lengths, dropped=dropped, rows=rows)

    def restore(self, remembered: Remembered) -> None:
        """Replace the memory by canonical content."""
        self.newest = remembered.newest
        shard_of = (remembered.hashes >> np.uint64(40)) % np.uint64(self.shards)
        for number, shard in enumerate(self._memories):
            mine = remembered if self.shards == 1 else _part(remembered, shard_of == number)
            shard.memory = filled(
                mine.hashes,
                mine.lengths,
                mine.dropped,
                mine.rows,
                users=max(2 * len(mine.hashes), 1_024),
                spare_rows=max(len(mine.rows) // 2, 65_536),
            )

    def users(self) -> int:
        """Users in memory."""
        return sum(int(shard.memory.used[0]) for shard in self._memories)

    def bytes(self) -> int:
        """Bytes of memory held."""
        return sum(array.nbytes for shard in self._memories for array in shard.memory)

    def _horizon(self) -> int:
        return self.newest - REACH - LATENESS

    def _advance_shard(self, number: int, batch: Batch, rows: Ints, out: Rows, newest: Ints, moving: Bools) -> None:
        shard, done = self._memories[number], 0
        while True:
            done, stopped = advance(
                shard.memory,
                rows,
                done,
                newest,
                self.keep_evicted,
                moving,
                batch.event_time,
                batch.offset,
                batch.utc_offset,
                batch.user,
                batch.transaction,
                batch.payload,
                batch.amount,
                batch.currency,
                batch.marks,
                batch.card,
                batch.merchant,
                batch.device,
                batch.country,
                batch.mcc,
                batch.latitude,
                batch.longitude,
                out,
                self._scratches[number],
            )
            if stopped == ROOM:
                # Visible at the batch's beginning: contexts of its first rows may still ask for it.
                shard.make_room(self._before - REACH - LATENESS)
            elif stopped == EVICTED_ROOM:
                shard.more_evicted()
            else:
                return


def new_outputs(rows: int) -> Rows:
    """Room for what the windows say of a batch."""
    return np.zeros((rows, OUTPUTS), np.int64)


def _part(whole: Remembered, mine: Bools) -> Remembered:
    """What is remembered of some users."""
    return Remembered(
        newest=whole.newest,
        hashes=whole.hashes[mine],
        lengths=whole.lengths[mine],
        dropped=whole.dropped[mine],
        rows=whole.rows[np.repeat(mine, whole.lengths)],
    )


def _merged(parts: Sequence[tuple[Hashes, Ints, Ints, Rows]]) -> tuple[Hashes, Ints, Ints, Rows]:
    """Shards' canonical content as one, users by hash again."""
    hashes, lengths, dropped, rows = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(hashes, kind="stable")
    starts = np.cumsum(lengths) - lengths
    picked = [np.arange(starts[user], starts[user] + lengths[user]) for user in order]
    return hashes[order], lengths[order], dropped[order], rows[np.concatenate(picked)] if picked else rows
