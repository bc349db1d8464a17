"""The one member of a group of the embedded log, with explicit positions and durable commits."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing

import numpy as np

from fraud.batch import Polled
from fraud.columns import Ints
from fraud.errors import LogError
from storage.logs.embedded_chunks import FROM_OFFSET, Piece
from storage.logs.embedded_file import EmbeddedFile, GroupLock
from storage.logs.log import Assignment

# How often a waiting reader looks whether anybody wrote: costs 1.5 % of a core, and half of it in latency.
LOOK_EVERY_SECONDS = 0.005


class EmbeddedGroupReader:
    """Holds a group's lock and therefore all partitions. Used by one thread."""

    def __init__(self, file: EmbeddedFile, lock: GroupLock, topic: str, group: str) -> None:
        """Read from an open file of its own, holding the group's lock."""
        self._file = file
        self._lock = lock
        self._topic, self._partitions = file.topic(topic)
        self._name = topic
        self._group = group
        self._has_told = False
        self._is_paused = False
        self._positions: dict[int, int] = {}
        self._rest: dict[int, Piece] = {}
        self._bounds: dict[int, tuple[int, int]] = {}
        self._seen = -1
        self._turn = 0

    def poll(self, timeout_ms: int, max_records: int) -> Polled:
        """Whatever is there at once; else wait for it, empty after the timeout. Nothing was taken where it raises."""
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            taken = {} if self._is_paused else self._taken_whole(max_records)
            left = deadline - time.monotonic()
            if taken or left <= 0:
                return _columns(taken)
            self._wait(left)

    def assignment(self) -> Assignment:
        """Every partition at the first call, nothing after it."""
        if self._has_told:
            return Assignment()
        self._has_told = True
        return Assignment(gained=range(self._partitions), is_settled=True)

    def committed(self, partition: int) -> int | None:
        """The group's committed offset; None when nothing was committed."""
        found = self._file.rows(
            "SELECT next_offset FROM committed WHERE topic = ? AND reader_group = ? AND partition = ?",
            (self._topic, self._group, partition),
        )
        return found[0][0] if found else None

    def seek(self, partition: int, offset: int) -> None:
        """Deliver this partition from `offset` on."""
        self._rest.pop(partition, None)
        self._positions[partition] = offset

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Commit explicit offsets; durable on return."""
        rows = [(self._topic, self._group, partition, offset) for partition, offset in next_offsets.items()]
        with self._file.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)", rows)

    def pause(self) -> None:
        """Deliver nothing."""
        self._is_paused = True

    def resume(self) -> None:
        """Deliver again."""
        self._is_paused = False

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """The offset after the last record of each, for lag."""
        self._look()
        return {partition: self._bounds[partition][1] for partition in partitions}

    def close(self) -> None:
        """Let the next member in."""
        self._file.close()
        self._lock.release()

    def _look(self) -> None:
        """Learn the bounds of all partitions, if anybody wrote since the last look."""
        seen = self._file.changes()
        if seen == self._seen:
            return
        found = self._file.rows(
            "SELECT partition, first_offset, next_offset FROM partition WHERE topic = ?", (self._topic,)
        )
        self._bounds = {partition: (first, end) for partition, first, end in found}
        self._seen = seen

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(LOOK_EVERY_SECONDS, left))
            if not self._is_paused and self._file.changes() != self._seen:
                return

    def _taken_whole(self, max_records: int) -> dict[int, list[Piece]]:
        before = dict(self._positions)
        try:
            return self._take(max_records)
        except BaseException:  # what other partitions gave already is delivered again
            self._positions = before
            self._rest.clear()
            raise

    def _take(self, max_records: int) -> dict[int, list[Piece]]:
        """Up to so many records, by partition; another partition has the first turn at each poll."""
        self._look()
        taken: dict[int, list[Piece]] = {}
        room = max_records
        self._turn += 1
        for turn in range(self._partitions):
            partition = (self._turn + turn) % self._partitions
            if room and self._has_more(partition):
                pieces = self._take_from(partition, room)
                room -= sum(map(len, pieces))
                if pieces:
                    taken[partition] = pieces
        return taken

    def _has_more(self, partition: int) -> bool:
        position = self._positions.get(partition)
        if position is None:
            return False
        first, end = self._bounds[partition]
        if not first <= position <= end:
            raise LogError(
                f"{self._name}-{partition} holds offsets {first} to {end}, not {position}: truncated or expired"
            )
        return position < end

    def _take_from(self, partition: int, room: int) -> list[Piece]:
        pieces: list[Piece] = []
        with closing(self._pieces(partition)) as found:
            for piece in found:
                pieces.append(piece.part(0, room))
                self._positions[partition] = int(pieces[-1].offsets[-1]) + 1
                if len(piece) >= room:
                    self._rest[partition] = piece.part(room, len(piece))
                    return pieces
                room -= len(piece)
        # Nothing more below the end as we know it: what is missing there never held a record.
        self._positions[partition] = max(self._positions[partition], self._bounds[partition][1])
        return pieces

    def _pieces(self, partition: int) -> Generator[Piece]:
        rest = self._rest.pop(partition, None)
        position = self._positions[partition]
        if rest is not None and len(rest):
            yield rest
            position = int(rest.offsets[-1]) + 1
        for row in self._file.stream(FROM_OFFSET, (self._topic, partition, position)):
            yield Piece.of(row).since(position)


def _columns(taken: Mapping[int, list[Piece]]) -> Polled:
    pieces = [piece for found in taken.values() for piece in found]
    if not pieces:
        nothing: Ints = np.empty(0, np.int64)
        return Polled(partition=nothing, offset=nothing, received_at=nothing, values=())
    counts = [sum(map(len, found)) for found in taken.values()]
    return Polled(
        partition=np.repeat(np.array(list(taken), np.int64), counts),
        offset=np.concatenate([piece.offsets for piece in pieces]),
        received_at=np.concatenate([piece.times for piece in pieces]) * 1000,
        values=[value for piece in pieces for value in piece.payloads],
    )
