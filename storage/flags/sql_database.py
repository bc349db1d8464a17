"""One SQL database: how it is opened, how long it may take, and what its errors mean to us."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fraud.errors import StoreError

PING_S = 2.0
_FULL = "its disk is full, make room"
_READ_ONLY = "it takes no writes, make it writable"
_ADVICE = (
    ("no such table", "run `fraud init` first"),
    ('relation "', "run `fraud init` first"),
    ("is locked", "another process is writing for too long"),
    ("unable to open", "is its folder there and writable?"),
    ("disk is full", _FULL),
    ("could not extend file", _FULL),
    ("no space left", _FULL),
    ("readonly database", _READ_ONLY),
    ("read-only", _READ_ONLY),
    ("permission denied", "this user may not do that, grant it the rights"),
    ("disk i/o error", "look at its disk"),
    ("not a database", "name another file, or restore a backup"),
)
"""What to do, by a part of what the database says."""
_WRITES = "fraud_writes"


class Database:
    """A pool of connections. Every transaction is bounded in time; every failure is a StoreError without credentials."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Describe the database; nothing is connected yet."""
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.timeout_s = timeout_s
        self.name = _name(self.url)
        self.engine = _sqlite(self.url, timeout_s) if self.is_sqlite else _postgres(self.url, timeout_s)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that sees one moment."""
        with self._translated(), self.engine.connect() as connection, self._bounded(connection), connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that is durable when the block has ended."""
        with self._translated(), self.engine.connect() as connection, self._bounded(connection):
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise StoreError(f"{self.name}: {_reason(error)}") from error

    @contextmanager
    def _bounded(self, connection: sa.Connection) -> Iterator[None]:
        if self.is_sqlite:
            yield
            return
        with _deadline(connection.connection.dbapi_connection, self.timeout_s):
            yield


def _sqlite(url: sa.URL, timeout_s: float) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": timeout_s}, pool_timeout=timeout_s, hide_parameters=True)
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres(url: sa.URL, timeout_s: float) -> sa.Engine:
    arguments = {"connect_timeout": max(2, int(timeout_s / 2))}
    engine = sa.create_engine(url, connect_args=arguments, pool_timeout=timeout_s, hide_parameters=True)
    sa.event.listen(engine, "checkout", _ping_postgres)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, see _begin_sqlite
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit outlives a power cut


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads before it writes fails at once when another writes meanwhile, however long it may wait.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _ping_postgres(connection: Any, _record: Any, _proxy: Any) -> None:
    try:
        with _deadline(connection, PING_S):
            connection.autocommit = True
            connection.execute("SELECT 1")
            connection.autocommit = False
    except connection.Error as error:
        # SQLAlchemy answers this with new connections, for the other idle ones too.
        raise sa.exc.InvalidatePoolError from error


@contextmanager
def _deadline(connection: Any, seconds: float) -> Iterator[None]:
    # libpq waits for ever on a server that is frozen but still acknowledged by its kernel, so we cut the line ourselves.
    # A duplicate of the descriptor: the number itself may belong to another connection when the timer fires.
    line = socket.socket(fileno=os.dup(connection.fileno()))
    timer = threading.Timer(seconds, _cut, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        line.close()


def _cut(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:  # already closed by the other side
        return


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # Without its cause: that text may hold the password.
        raise StoreError(
            "the store's URL cannot be read: sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"
        ) from None
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite")
    raise StoreError(f"{parsed.drivername}: a store is sqlite:///PATH (a file), postgresql+psycopg://… or mongodb://…")


def _name(url: sa.URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"SQLite store {Path(url.database or '')}"
    return f"PostgreSQL {url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    said = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    low = said.lower()
    advice = next((advice for part, advice in _ADVICE if part in low), None)
    if advice is not None:
        return f"{said}: {advice}"
    if isinstance(error, sa.exc.OperationalError | sa.exc.TimeoutError) and "sqlite" not in type(cause).__module__:
        return f"no answer in time or refused ({said}): is it running, and are address and user right?"
    return said
