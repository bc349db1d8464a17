"""What every flag store promises when it cannot be reached: a StoreError that says what to do, and success afterwards."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ExecutionTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from fraud.errors import StoreError
from storage.flags.flag_store import FlagStore
from storage.flags.mongo_store import MongoStore
from storage.flags.sql_store import SqlStore
from storage.flags.sql_tables import SCHEMA_VERSION
from tests.services.server import free_port
from tests.storage.flags.conftest import Place
from tests.storage.flags.flag_builders import a_flag, a_minute, put, the_day

PASSWORD = "s3cret-wor(d"
IN_URL = "s3cret-wor%28d"
SERVERS = pytest.mark.parametrize(
    "place",
    [
        pytest.param("postgres", id="PostgreSQL", marks=pytest.mark.postgres),
        pytest.param("mongo_wire", id="MongoDB", marks=pytest.mark.mongo_wire),
    ],
    indirect=True,
)
CALLS: dict[str, Callable[[FlagStore], Any]] = {
    "storing": lambda store: put(store, [a_flag(1)], [a_minute(1)]),
    "reading": lambda store: store.flags(the_day(), 10),
    "counting": lambda store: store.flags_per_bucket(the_day(), 60),
    "preparing": lambda store: store.prepare(),
}


def works(store: FlagStore) -> bool:
    """Store what was there and something new, and find both."""
    put(store, [a_flag(0), a_flag(1)], [a_minute(1)])
    return store.flag_count(the_day()) == 2 and len(store.flags(the_day(), 10)) == 2


@SERVERS
def test_a_server_that_crashed_fails_calls_and_keeps_what_was_stored(place: Place, store: FlagStore):
    put(store, [a_flag(0)], [a_minute(0)])

    impatient = place.connect(1.0)
    place.server.kill()
    try:
        for call in CALLS.values():
            with pytest.raises(StoreError):
                call(impatient)
        [problem] = impatient.problems()
    finally:
        place.server.start()

    assert "is it running" in problem
    assert store.existing([a_flag(0).id, a_flag(1).id]) == {a_flag(0).id}
    assert works(impatient)
    impatient.close()


@SERVERS
def test_a_server_that_restarted_unnoticed_fails_nothing(place: Place, store: FlagStore):
    put(store, [a_flag(0)], [])

    place.server.restart()

    assert works(store)


@SERVERS
def test_a_frozen_server_fails_calls_in_time(place: Place, store: FlagStore):
    put(store, [a_flag(0)], [a_minute(0)])

    impatient = place.connect(1.0)
    assert impatient.flag_count(the_day()) == 1  # so that its connections are open
    with place.server.frozen():
        for name in ("storing", "reading"):
            with pytest.raises(StoreError):
                CALLS[name](impatient)
    impatient.close()

    assert works(store)


@SERVERS
def test_a_server_that_was_never_there_is_named_without_credentials(place: Place):
    with free_port() as port:
        address = f"127.0.0.1:{port}"
        scheme = "mongodb" if isinstance(place.connect(), MongoStore) else "postgresql"
        connect = MongoStore if scheme == "mongodb" else SqlStore
        store: FlagStore = connect(f"{scheme}://analyst:{IN_URL}@{address}/fraud", 2.0)

        with pytest.raises(StoreError) as raised:
            store.prepare()

    assert address in str(raised.value)
    assert "is it running" in str(raised.value)
    assert_no_credentials(raised.value)


@pytest.mark.parametrize(
    ("connect", "url"),
    [
        pytest.param(MongoStore, f"mongodb://analyst:{PASSWORD}/@host/fraud", id="a password that is not escaped"),
        pytest.param(MongoStore, f"mongodb://analyst:{IN_URL}@host:port/fraud", id="a port that is no number"),
        pytest.param(MongoStore, f"mongodb://analyst:{IN_URL}@/fraud", id="no host"),
        pytest.param(MongoStore, f"analyst:{PASSWORD}@host", id="no scheme"),
        pytest.param(MongoStore, "", id="no URL"),
        pytest.param(
            SqlStore, f"postgresql://analyst:{IN_URL}@host:port/fraud", id="a PostgreSQL port that is no number"
        ),
        pytest.param(SqlStore, f"mysql://analyst:{IN_URL}@host/fraud", id="a database that we do not know"),
        pytest.param(SqlStore, f"analyst {PASSWORD}", id="no SQL URL"),
        pytest.param(SqlStore, "sqlite://", id="SQLite in memory, which only one thread would see"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(connect: Callable[[str], FlagStore], url: str):
    with pytest.raises(StoreError) as raised:
        connect(url)

    assert "\n" not in str(raised.value)
    assert "://" in str(raised.value)
    assert_no_credentials(raised.value)


def assert_no_credentials(error: BaseException | None) -> None:
    """Neither in the text nor in a text that a traceback would show."""
    while error is not None:
        shown = f"{error} {error.args}"
        assert PASSWORD not in shown
        assert IN_URL not in shown
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_the_database_of_a_url_without_one_is_fraud():
    assert MongoStore("mongodb://127.0.0.1:1").database.name == "MongoDB 127.0.0.1:1/fraud"


def test_no_url_can_make_mongodb_acknowledge_before_it_is_durable():
    store = MongoStore("mongodb://127.0.0.1:1/fraud?w=0&journal=false")

    assert store.database["flags"].write_concern.document == {"w": "majority", "j": True}


def test_a_locked_sqlite_file_fails_calls_in_time(tmp_path: Path):
    store = SqlStore(f"sqlite:///{tmp_path}/flags.db", 0.2)
    store.prepare()
    put(store, [a_flag(0)], [a_minute(0)])

    with sqlite3.connect(tmp_path / "flags.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process is writing"):
            put(store, [a_flag(1)], [])
        assert store.flag_count(the_day()) == 1
        other.execute("ROLLBACK")

    assert works(store)
    store.close()


@pytest.mark.parametrize(
    ("pragma", "mended", "hint"),
    [
        pytest.param("query_only = ON", "query_only = OFF", "takes no writes", id="read-only"),
        pytest.param("max_page_count = 1", "max_page_count = 1000000", "disk is full, make room", id="full"),
    ],
)
def test_an_sqlite_file_that_takes_no_writes_fails_them_whole_and_goes_on_when_it_does(
    tmp_path: Path, pragma: str, mended: str, hint: str
):
    store = SqlStore(f"sqlite:///{tmp_path}/flags.db")
    store.prepare()
    put(store, [a_flag(0)], [a_minute(0)])
    said = [pragma]
    sa.event.listen(store.database.engine, "checkout", lambda raw, *_: raw.execute(f"PRAGMA {said[-1]}"))

    many = [a_flag(number) for number in range(1, 200)]
    with pytest.raises(StoreError, match=hint):
        put(store, many, [a_minute(1)])
    kept = store.flag_count(the_day())
    said.append(mended)

    assert kept == 1
    assert works(store)
    store.close()


@pytest.mark.parametrize("place", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
@pytest.mark.parametrize(
    ("broken", "mended", "hint"),
    [
        pytest.param(
            "ALTER DATABASE {database} SET default_transaction_read_only = on",
            "ALTER DATABASE {database} SET default_transaction_read_only = off",
            "takes no writes",
            id="read-only",
        ),
        pytest.param(
            "ALTER TABLE flags RENAME TO hidden", "ALTER TABLE hidden RENAME TO flags", "fraud init", id="tables gone"
        ),
    ],
)
def test_a_postgresql_that_takes_no_writes_fails_them_whole_and_goes_on_when_it_does(
    place: Place, store: FlagStore, broken: str, mended: str, hint: str
):
    assert isinstance(store, SqlStore)
    put(store, [a_flag(0)], [a_minute(0)])

    run(store.database.url, broken)
    other = place.connect()
    with pytest.raises(StoreError, match=hint):
        put(other, [a_flag(1)], [a_minute(1)])
    other.close()
    run(store.database.url, mended)

    other = place.connect()
    assert works(other)
    other.close()


def run(url: sa.URL, statement: str) -> None:
    """As an operator would, whatever the database's defaults are."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        connection.exec_driver_sql(statement.format(database=url.database))
    engine.dispose()


def bulk(**found: Any) -> BulkWriteError:
    """What pymongo raises after an unordered bulk that did not work whole."""
    return BulkWriteError({"writeErrors": [], "writeConcernErrors": [], **found})


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        pytest.param(NotPrimaryError("not primary"), "takes no writes", id="a member that lost its election"),
        pytest.param(AutoReconnect("connection closed"), "is it running", id="a connection that broke"),
        pytest.param(ServerSelectionTimeoutError("no primary"), "is it running", id="no primary in time"),
        pytest.param(ExecutionTimeout("operation exceeded time limit", 50), "no answer in time", id="a slow server"),
        pytest.param(WTimeoutError("waiting for replication timed out"), "timed out", id="no majority in time"),
        pytest.param(OperationFailure("not authorized", 13), "role readWrite", id="a user who may only read"),
        pytest.param(OperationFailure("no space left", 14031), "disk is full", id="a full disk"),
        pytest.param(
            bulk(writeErrors=[{"index": 0, "code": 14031, "errmsg": "available disk space"}]),
            "disk is full",
            id="a full disk in the middle of a bulk",
        ),
        pytest.param(
            bulk(writeErrors=[{"index": 0, "code": 13, "errmsg": "not authorized"}]),
            "role readWrite",
            id="a user who may only read, in a bulk",
        ),
        pytest.param(
            bulk(writeConcernErrors=[{"code": 64, "errmsg": "waiting for replication timed out"}]),
            "waiting for replication timed out",
            id="a bulk that is not known to be durable",
        ),
        pytest.param(
            bulk(writeErrors=[{"index": 0, "code": 10107, "errmsg": "not primary"}]),
            "not primary",
            id="a member that lost its election in the middle of a bulk",
        ),
    ],
)
def test_whatever_an_outage_of_mongodb_gives_is_one_line_and_tried_again(error: PyMongoError, hint: str):
    store = MongoStore("mongodb://127.0.0.1:1/fraud")

    with pytest.raises(StoreError, match=hint) as raised, store.database.answering():
        raise error
    store.close()

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        pytest.param(sqlite3.OperationalError("disk I/O error"), "look at its disk", id="SQLite on a broken disk"),
        pytest.param(sqlite3.OperationalError("database or disk is full"), "make room", id="SQLite on a full disk"),
        pytest.param(
            sqlite3.OperationalError("attempt to write a readonly database"), "writable", id="SQLite made read-only"
        ),
        pytest.param(
            psycopg.errors.DiskFull('could not extend file "base/1": No space left on device'),
            "make room",
            id="PostgreSQL on a full disk",
        ),
        pytest.param(
            psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
            "writable",
            id="PostgreSQL turned into a standby",
        ),
        pytest.param(
            psycopg.errors.InsufficientPrivilege("permission denied for table flags"),
            "grant it the rights",
            id="PostgreSQL for a user who may only read",
        ),
        pytest.param(
            psycopg.errors.AdminShutdown("terminating connection due to administrator command"),
            "is it running",
            id="PostgreSQL that is shut down",
        ),
        pytest.param(
            psycopg.errors.QueryCanceled("canceling statement due to statement timeout"),
            "no answer in time",
            id="PostgreSQL that is slow",
        ),
    ],
)
def test_whatever_an_outage_of_sql_gives_is_one_line_and_tried_again(tmp_path: Path, cause: Exception, hint: str):
    store = SqlStore(f"sqlite:///{tmp_path}/flags.db")
    library = sqlite3.Error if isinstance(cause, sqlite3.Error) else psycopg.Error
    error = sa.exc.DBAPIError.instance("INSERT", {}, cause, library)

    with pytest.raises(StoreError, match=hint) as raised, store.database.writing():
        raise error
    store.close()

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        pytest.param("missing/folder/flags.db", "is its folder there", id="no folder"),
        pytest.param("new.db", "fraud init", id="a file without tables"),
        pytest.param("text.db", "not a database: name another file", id="a file that is something else"),
    ],
)
def test_an_sqlite_file_that_cannot_be_used_says_why(tmp_path: Path, path: str, hint: str):
    (tmp_path / "text.db").write_text("no database at all, but long enough to be read as one" * 100)
    store = SqlStore(f"sqlite:///{tmp_path}/{path}")

    with pytest.raises(StoreError, match=hint):
        store.flag_count(the_day())

    assert hint in store.problems()[0]
    store.close()


def test_the_folder_of_an_sqlite_file_is_made_or_the_reason_said(tmp_path: Path):
    SqlStore(f"sqlite:///{tmp_path}/new/folder/flags.db").prepare()
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="its folder cannot be made"):
        SqlStore(f"sqlite:///{tmp_path}/file/flags.db").prepare()

    assert (tmp_path / "new/folder/flags.db").exists()


@pytest.mark.parametrize("place", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_a_store_of_a_newer_release_is_refused(place: Place, store: FlagStore):
    assert isinstance(store, SqlStore)
    engine = sa.create_engine(store.database.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE meta SET value = :newer"), {"newer": str(SCHEMA_VERSION + 1)})
    engine.dispose()

    for call in CALLS.values():
        other = place.connect()
        with pytest.raises(StoreError, match="written by a newer release"):
            call(other)
        other.close()


def test_an_sqlite_commit_outlives_a_power_cut(tmp_path: Path):
    store = SqlStore(f"sqlite:///{tmp_path}/flags.db")
    store.prepare()

    with store.database.reading() as connection:
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()

    assert (journal, synchronous) == ("wal", 2)
    store.close()
