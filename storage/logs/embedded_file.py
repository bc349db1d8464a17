"""The file of the embedded log: its tables, its connections, and transactions that never find it locked."""

import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fraud.errors import LogAwayError, LogError

FILE_NAME = "log.sqlite"
SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0

# A chunk holds consecutive records of one partition. What a poll does not need (keys) lies at the end of the row, so it is
# not even read from disk. `latest_at` is the highest append time up to here, so a moment is found by index also in an
# imported log whose broker's clock once went back.
SCHEMA = """
CREATE TABLE log (id TEXT NOT NULL, clock INTEGER NOT NULL);
CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, identity TEXT NOT NULL, partitions INTEGER NOT NULL);
CREATE TABLE partition (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    latest_at INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL,
    next_offset INTEGER NOT NULL, latest_at INTEGER NOT NULL, offsets BLOB, times BLOB NOT NULL, payloads BLOB NOT NULL,
    keys BLOB NOT NULL
);
CREATE UNIQUE INDEX chunk_by_offset ON chunk (topic, partition, next_offset);
CREATE INDEX chunk_by_time ON chunk (topic, partition, latest_at, next_offset);
CREATE TABLE committed (
    topic INTEGER NOT NULL, reader_group TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, reader_group, partition)
) WITHOUT ROWID;
"""


class EmbeddedFile:
    """One connection to the log's file. Threads may share it, one at a time."""

    def __init__(self, folder: Path) -> None:
        """Open the file, and create it when it is missing. Raises LogError."""
        self.folder = folder
        self.path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(f"the log's folder {folder} cannot be made: {error.strerror}") from error
        with self.translated():
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._prepare()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        with self.translated():
            return self._connection.execute(statement, values).fetchall()

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of a query, one after the other; close the iterator when you do not need the rest."""
        with self.translated():
            cursor = self._connection.execute(statement, values)
            try:
                yield from cursor
            finally:
                cursor.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One writing transaction; it takes the write lock at once, so it never fails half-way."""
        with self.translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends some by itself, on a full disk for one
                    self._connection.execute("ROLLBACK")
                raise

    def changes(self) -> int:
        """A number that differs once any other connection has written."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def topic(self, name: str) -> tuple[int, int]:
        """Number and partition count of a topic. Raises LogError for a missing one, naming `fraud init`."""
        found = self.rows("SELECT id, partitions FROM topic WHERE name = ?", (name,))
        if not found:
            raise LogError(f"the log in {self.folder} has no topic `{name}`: run `fraud init`")
        return found[0][0], found[0][1]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of SQLite within the block into LogError; LogAwayError for a disk that is full or fails, or a lock."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise LogAwayError(f"the log file {self.path}: {error}: {_advice(error)}") from error
        except sqlite3.Error as error:
            raise LogError(f"the log file {self.path}: {error}") from error

    def _prepare(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._create()
        elif version != SCHEMA_VERSION:
            raise LogError(f"the log file {self.path} has format {version}, this release reads {SCHEMA_VERSION}")

    def _create(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        if self._connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # else somebody was faster
            for statement in SCHEMA.split(";"):
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO log VALUES (?, 0)", (uuid.uuid4().hex,))
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._connection.execute("COMMIT")


def _advice(error: sqlite3.OperationalError) -> str:
    said = str(error)
    if "full" in said:
        return "make room on its disk"
    if "locked" in said:
        return "another process is writing for too long"
    return "are its disk and folder there, whole and writable?"


class GroupLock:
    """Keeps a group to one member at a time; a killed process leaves nothing behind, as the lock dies with it."""

    def __init__(self, folder: Path, name: str, holder: str) -> None:
        """Take the lock. Raises LogError naming who holds it."""
        path = folder / f"{name}.lock"
        holder_file = folder / f"{name}.holder"
        try:
            self._lock = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise LogError(f"the lock {path}: {error}: {_advice(error)}") from error
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._lock.close()
            if "locked" not in str(error):
                raise LogError(f"the lock {path}: {error}: {_advice(error)}") from error
            known = holder_file.read_text() if holder_file.exists() else "another process"
            raise LogError(f"{name} is being read by {known}: the embedded log has one reader per group") from error
        holder_file.write_text(f"{holder} (process {os.getpid()})")

    def release(self) -> None:
        """Let the next member in."""
        self._lock.close()
