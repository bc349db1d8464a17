"""Appends to the embedded log: buffered for a moment, then written in one transaction."""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog

from fraud.columns import Ints
from fraud.errors import LogError
from storage.logs.embedded_chunks import chunk_row
from storage.logs.embedded_file import EmbeddedFile
from storage.logs.log import ACKNOWLEDGE_SECONDS
from storage.logs.partitioning import Partitioner
from storage.logs.record_limits import check_record

MAX_BUFFERED = 10_000
MAX_BUFFERED_BYTES = 8_000_000
LINGER_SECONDS = 0.02

log = structlog.get_logger()

OnAck = Callable[[int, int, int], None]
INSERT_CHUNK = (
    "INSERT INTO chunk (topic, partition, first_offset, next_offset, latest_at, offsets, times, payloads, keys) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class _Sent(NamedTuple):
    topic: int
    partition: int
    key: bytes | None
    value: bytes | None
    on_ack: OnAck | None
    sent_at: int
    """What a simulated clock said, in milliseconds; 0 without one."""


class EmbeddedPublisher:
    """Appends records in order. They are in the log after `flush`, after 20 ms, or once many are waiting.

    A simulated clock gives each record the moment it was sent at, for weeks of history: it never passes the real one, and the
    log's clock never goes back, whoever publishes.
    """

    def __init__(self, file: EmbeddedFile, clock: Callable[[], int] | None = None) -> None:
        """Write to an open file of its own; `clock` gives microseconds since the epoch."""
        self._file = file
        self._clock = clock
        self._topics: dict[str, tuple[int, int]] = {}
        self._partitioner = Partitioner()
        self._lock = threading.Lock()
        self._buffer: list[_Sent] = []
        self._buffered_bytes = 0
        self._has_sent = threading.Event()
        self._closing = threading.Event()
        self._lingering = threading.Thread(target=self._linger, daemon=True, name="embedded-log-linger")
        self._lingering.start()

    def send(self, topic: str, key: bytes | None, value: bytes | None, on_ack: OnAck | None = None) -> None:
        """Hand over one record; `on_ack(partition, offset, received_at)` runs once it is written."""
        size = check_record(topic, key, value)
        number, partitions = self._topics.get(topic) or self._look_up(topic)
        sent_at = 0 if self._clock is None else self._clock() // 1000
        partition = self._partitioner.partition(key, partitions)
        with self._lock:
            self._buffer.append(_Sent(number, partition, key, value, on_ack, sent_at))
            self._buffered_bytes += size
            is_full = len(self._buffer) >= MAX_BUFFERED or self._buffered_bytes >= MAX_BUFFERED_BYTES
        if is_full:
            self.flush()
        elif not self._has_sent.is_set():
            self._has_sent.set()

    def flush(self, _seconds: float = ACKNOWLEDGE_SECONDS) -> None:
        """Write what waits, at once. Raises LogError when the file does not take it: it goes on waiting, for the next flush."""
        with self._lock:
            if not self._buffer:
                return
            acknowledged = self._append(self._buffer)
            self._buffer, self._buffered_bytes = [], 0
        for on_ack, partition, offset, received_at in acknowledged:
            on_ack(partition, offset, received_at)

    def close(self) -> None:
        """Flush and let go."""
        self._stop_lingering()
        try:
            self.flush()
        finally:
            self._file.close()

    def let_go(self) -> None:
        """Let go of the file; what is not yet written is dropped."""
        self._stop_lingering()
        self._file.close()

    def _stop_lingering(self) -> None:
        self._closing.set()
        self._has_sent.set()
        self._lingering.join()

    def _look_up(self, topic: str) -> tuple[int, int]:
        with self._lock:
            found = self._topics[topic] = self._file.topic(topic)
        return found

    def _linger(self) -> None:
        while True:
            self._has_sent.wait()
            self._closing.wait(LINGER_SECONDS)
            # Only then look whether we are closing: that also sets `_has_sent`, which must not be taken for a record.
            self._has_sent.clear()
            if self._closing.is_set():
                return
            try:
                self.flush()
            except LogError as error:
                log.warning("not_appended_yet", error=str(error))

    def _append(self, records: Sequence[_Sent]) -> list[tuple[OnAck, int, int, int]]:
        with self._file.transaction() as connection:
            times = self._times(connection, records)
            rows_by_partition: dict[tuple[int, int], list[int]] = {}
            for row, sent in enumerate(records):
                rows_by_partition.setdefault((sent.topic, sent.partition), []).append(row)
            offsets = np.empty(len(records), np.int64)
            for (topic, partition), rows in rows_by_partition.items():
                wanted = [records[row] for row in rows]
                first = _next_offset(connection, topic, partition)
                offsets[rows] = np.arange(first, first + len(rows))
                append_chunk(connection, topic, partition, offsets[rows], times[rows], wanted)
            connection.execute("UPDATE log SET clock = ?", (int(times[-1]),))
        return [
            (sent.on_ack, sent.partition, int(offsets[row]), int(times[row]) * 1000)
            for row, sent in enumerate(records)
            if sent.on_ack is not None
        ]

    def _times(self, connection: sqlite3.Connection, records: Sequence[_Sent]) -> Ints:
        """Append times in ms: one moment for all, or what the simulated clock said; never before the log's clock."""
        now = time.time_ns() // 1_000_000
        log_clock: int = connection.execute("SELECT clock FROM log").fetchone()[0]
        if self._clock is None:
            return np.full(len(records), max(now, log_clock), np.int64)
        said = np.fromiter((sent.sent_at for sent in records), np.int64, len(records))
        never_back: Ints = np.maximum.accumulate(np.minimum(said, now))
        return np.maximum(never_back, log_clock)


def append_chunk(
    connection: sqlite3.Connection, topic: int, partition: int, offsets: Ints, times: Ints, records: Sequence[Any]
) -> None:
    """Write records (with `key` and `value`) of one partition as one chunk, and move the partition's end behind them."""
    known = connection.execute(
        "SELECT latest_at FROM partition WHERE topic = ? AND partition = ?", (topic, partition)
    ).fetchone()[0]
    latest_at = max(known, int(times.max()))
    payloads, keys = [record.value for record in records], [record.key for record in records]
    connection.execute(INSERT_CHUNK, chunk_row(topic, partition, offsets, times, latest_at, payloads, keys))
    connection.execute(
        "UPDATE partition SET next_offset = max(next_offset, ?), latest_at = ? WHERE topic = ? AND partition = ?",
        (int(offsets[-1]) + 1, latest_at, topic, partition),
    )


def _next_offset(connection: sqlite3.Connection, topic: int, partition: int) -> int:
    found = connection.execute(
        "SELECT next_offset FROM partition WHERE topic = ? AND partition = ?", (topic, partition)
    )
    return int(found.fetchone()[0])
