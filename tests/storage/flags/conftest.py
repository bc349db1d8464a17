"""One empty flag store per test and implementation, and one stocked store per module for tests that only read."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest
import sqlalchemy as sa

from storage.flags.flag_store import FlagStore
from storage.flags.mongo_store import MongoStore
from storage.flags.sql_store import SqlStore

PATIENT_S = 20.0
IMPLEMENTATIONS = [
    pytest.param("sqlite", id="SQLite"),
    pytest.param("postgres", id="PostgreSQL", marks=pytest.mark.postgres),
    pytest.param("mongo_wire", id="MongoDB", marks=pytest.mark.mongo_wire),
]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one implementation keeps one empty database."""

    connect: Callable[..., FlagStore]
    """Another connection to the same database, with a time-out in seconds or a patient one."""
    give_verdict: Callable[[str, str], None]
    """What the dashboard will write: (flag id, verdict)."""
    server: Any
    """The server under it; None for SQLite."""


@pytest.fixture(params=IMPLEMENTATIONS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database of each implementation."""
    with _place(request, tmp_path) as found:
        yield found


@pytest.fixture
def store(place: Place) -> Iterator[FlagStore]:
    """A prepared, empty store of each implementation."""
    with _prepared(place) as prepared:
        yield prepared


@pytest.fixture(params=IMPLEMENTATIONS, scope="module")
def shared_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlagStore]:
    """A prepared store of each implementation that a module's tests share."""
    with _place(request, tmp_path_factory.mktemp("store")) as place, _prepared(place) as prepared:
        yield prepared


@contextmanager
def _prepared(place: Place) -> Iterator[FlagStore]:
    store = place.connect()
    store.prepare()
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _place(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield _sql_place(f"sqlite:///{folder}/flags.db", None)
        elif request.param == "postgres":
            server = request.getfixturevalue("postgres")
            yield _sql_place(stack.enter_context(_postgres_database(server.url)), server)
        else:
            server = request.getfixturevalue("mongo_wire")
            yield _mongo_place(stack.enter_context(_mongo_database(server.url)), server)


def _sql_place(url: str, server: Any) -> Place:
    def give_verdict(flag_id: str, verdict: str) -> None:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE flags SET verdict = :verdict WHERE id = :id"), {"verdict": verdict, "id": flag_id}
            )
        engine.dispose()

    return Place(connect=lambda timeout_s=PATIENT_S: SqlStore(url, timeout_s), give_verdict=give_verdict, server=server)


def _mongo_place(url: str, server: Any) -> Place:
    def give_verdict(flag_id: str, verdict: str) -> None:
        with pymongo.MongoClient[dict[str, Any]](url) as client:
            client.get_default_database()["flags"].update_one({"_id": flag_id}, {"$set": {"verdict": verdict}})

    return Place(
        connect=lambda timeout_s=PATIENT_S: MongoStore(url, timeout_s), give_verdict=give_verdict, server=server
    )


@contextmanager
def _postgres_database(url: str) -> Iterator[str]:
    name = f"fraud_{uuid.uuid4().hex}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    engine.dispose()  # the server may have been restarted meanwhile
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@contextmanager
def _mongo_database(url: str) -> Iterator[str]:
    name = f"fraud_{uuid.uuid4().hex}"
    yield urlsplit(url)._replace(path=f"/{name}").geturl()
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        client.drop_database(name)
