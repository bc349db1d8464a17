"""The log without a server: one SQLite file in a folder, for a laptop, for tests, and for an imported Kafka log."""

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from urllib.parse import quote

import numpy as np

from fraud.errors import LogError
from storage.logs.embedded_chunks import FIRST_AT, SOME_FROM_OFFSET_WITH_KEYS, Piece, decode_keys
from storage.logs.embedded_file import EmbeddedFile, GroupLock
from storage.logs.embedded_publisher import EmbeddedPublisher, append_chunk
from storage.logs.embedded_reader import EmbeddedGroupReader
from storage.logs.log import ALL_TOPICS, Problem, Record, Topic

IMPORTED_AT_ONCE = 20_000


class EmbeddedLog:
    """A connection to the log in a folder. Safe to share between threads; other processes may use the folder, too.

    It keeps every record for ever. Partitions, offsets and append times mean what they mean on Kafka; only a group has one
    member at a time.
    """

    embedded = True

    def __init__(self, folder: Path, clock: Callable[[], int] | None = None) -> None:
        """Open the log, and make it when the folder has none. Raises LogError.

        A simulated `clock` (microseconds) gives append times to every publisher that brings none of its own.
        """
        self._folder = folder
        self._clock = clock
        self._file = EmbeddedFile(folder)
        self._lock = threading.Lock()

    def topic_id(self, topic: str) -> str:
        """The log's own id and the topic's, or those of the log that it was imported from."""
        with self._lock:
            number, _partitions = self._file.topic(topic)
            return str(self._file.rows("SELECT identity FROM topic WHERE id = ?", (number,))[0][0])

    def create(self, topics: Sequence[Topic]) -> None:
        """Create what is missing; existing topics are left as they are. Compacted ones keep everything, too."""
        with self._lock, self._file.transaction() as connection:
            log_id = connection.execute("SELECT id FROM log").fetchone()[0]
            known = {name for (name,) in connection.execute("SELECT name FROM topic")}
            for number, topic in enumerate(topics, start=len(known)):
                if topic.name not in known:
                    self._create(topic.name, f"{log_id}.{number}", [(0, 0)] * topic.partitions)

    def partitions(self, topic: str) -> int:
        """How many partitions. Raises LogError for a missing topic, naming `fraud init`."""
        with self._lock:
            return self._file.topic(topic)[1]

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset, and the offset after the last record."""
        with self._lock:
            number, _partitions = self._file.topic(topic)
            return self._bounds(number, partition)

    def offset_at(self, topic: str, partition: int, received_at: int) -> int:
        """Offset of the first record appended at or after a moment (microseconds); the end when there is none."""
        whole_ms = -(-received_at // 1000)
        with self._lock:
            number, _partitions = self._file.topic(topic)
            found = self._file.rows(FIRST_AT, (number, partition, whole_ms))
            if not found:
                return self._bounds(number, partition)[1]
        piece = Piece.of(found[0])
        return int(piece.offsets[np.argmax(piece.times >= whole_ms)])

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        """Records from `start` up to (not including) `end`, at most to the end as it is now."""
        with self._lock:
            number, _partitions = self._file.topic(topic)
            first, log_end = self._bounds(number, partition)
        if not first <= start <= log_end:
            raise LogError(f"{topic}-{partition} holds offsets {first} to {log_end}, not {start}: truncated or expired")
        stop = log_end if end is None else min(end, log_end)
        for record in self._records(number, partition, start):
            if record.offset >= stop:
                return
            yield record

    def committed(self, topic: str, group: str) -> dict[int, int]:
        """The offsets that a group has committed, by partition, without joining it."""
        with self._lock:
            number, _partitions = self._file.topic(topic)
            query = "SELECT partition, next_offset FROM committed WHERE topic = ? AND reader_group = ?"
            return dict(self._file.rows(query, (number, group)))

    def publisher(self, clock: Callable[[], int] | None = None) -> EmbeddedPublisher:
        """A new publisher; with a simulated `clock` (microseconds since the epoch) records are appended as of its moments.

        The log's clock never goes back, over all topics: publish simulated history before anything by the real clock.
        """
        return EmbeddedPublisher(EmbeddedFile(self._folder), clock or self._clock)

    def group_reader(self, topic: str, group: str, member: str | None = None) -> EmbeddedGroupReader:
        """Become the group's one member. Raises LogError naming the holder when there is another."""
        self.partitions(topic)
        name = quote(f"group {group} of {topic}", safe=" .")
        lock = GroupLock(self._folder, name, member or socket.gethostname())
        return EmbeddedGroupReader(EmbeddedFile(self._folder), lock, topic, group)

    def adopt(self, topic: str, topic_id: str, bounds: Sequence[tuple[int, int]]) -> None:
        """Create a topic as another log has it, with its identity and the bounds of each partition; import_records fills it."""
        with self._lock, self._file.transaction():
            self._create(topic, topic_id, bounds)

    def import_records(self, topic: str, records: Iterable[Record]) -> int:
        """Append records of another log, which keep partition, offset and received_at; how many they were.

        They come partition by partition, in order. Raises LogError for an offset that is already here.
        """
        with self._lock:
            number, _partitions = self._file.topic(topic)
        waiting, imported = iter(records), 0
        while some := list(islice(waiting, IMPORTED_AT_ONCE)):
            with self._lock, self._file.transaction() as connection:
                for partition, found in groupby(some, key=lambda record: record.partition):
                    _import(connection, number, partition, list(found))
            imported += len(some)
        return imported

    def problems(self) -> list[Problem]:
        """Topics that are missing, and an append clock that runs ahead of this machine."""
        with self._lock:
            known = {name for (name,) in self._file.rows("SELECT name FROM topic")}
            clock = self._file.rows("SELECT clock FROM log")[0][0]
        missing = [topic for topic in ALL_TOPICS if topic not in known]
        found = [Problem(says=f"topic `{topic}` is missing: run `fraud init`", forbids_start=True) for topic in missing]
        ahead = clock / 1000 - time.time()
        if ahead > 1:
            found.append(
                Problem(says=f"the log's append clock is {ahead:.0f} s ahead: this machine's clock was set back")
            )
        return found

    def close(self) -> None:
        """Let go of the file; publishers and readers have their own connections."""
        self._file.close()

    def _create(self, name: str, identity: str, bounds: Sequence[tuple[int, int]]) -> None:
        if self._file.rows("SELECT 1 FROM topic WHERE name = ?", (name,)):
            raise LogError(f"the log in {self._folder} already has a topic `{name}`")
        self._file.rows(
            "INSERT INTO topic (name, identity, partitions) VALUES (?, ?, ?)", (name, identity, len(bounds))
        )
        number = self._file.topic(name)[0]
        for partition, (first, end) in enumerate(bounds):
            self._file.rows("INSERT INTO partition VALUES (?, ?, ?, ?, 0)", (number, partition, first, end))

    def _bounds(self, topic: int, partition: int) -> tuple[int, int]:
        query = "SELECT first_offset, next_offset FROM partition WHERE topic = ? AND partition = ?"
        found = self._file.rows(query, (topic, partition))
        if not found:
            raise LogError(f"the log in {self._folder} has no partition {partition} of this topic")
        return found[0][0], found[0][1]

    def _records(self, topic: int, partition: int, start: int) -> Iterator[Record]:
        """Some chunks at a time, so that no open query keeps the file from being tidied up."""
        position = start
        while True:
            with self._lock:
                rows = self._file.rows(SOME_FROM_OFFSET_WITH_KEYS, (topic, partition, position))
            if not rows:
                return
            for *columns, keys in rows:
                piece = Piece.of(columns)
                rest = piece.since(position)
                for offset, at, value, key in zip(
                    rest.offsets.tolist(),
                    rest.times.tolist(),
                    rest.payloads,
                    decode_keys(keys)[-len(rest) :],
                    strict=True,
                ):
                    yield Record(partition, offset, at * 1000, key, value)
                position = int(piece.offsets[-1]) + 1


def _import(connection: sqlite3.Connection, topic: int, partition: int, records: Sequence[Record]) -> None:
    offsets = np.fromiter((record.offset for record in records), np.int64, len(records))
    times = np.fromiter((record.received_at // 1000 for record in records), np.int64, len(records))
    found = connection.execute(
        "SELECT max(next_offset) FROM chunk WHERE topic = ? AND partition = ?", (topic, partition)
    )
    if (np.diff(offsets) <= 0).any() or offsets[0] < (found.fetchone()[0] or 0):
        raise LogError(f"cannot import partition {partition}: its offsets go back, or are already here")
    append_chunk(connection, topic, partition, offsets, times, records)
    connection.execute("UPDATE log SET clock = max(clock, ?)", (int(times.max()),))
