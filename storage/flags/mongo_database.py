"""One MongoDB database: how it is opened, how long it may take, and what its errors mean to us."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import pymongo
from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError

from fraud.errors import StoreError

Document = dict[str, Any]
DEFAULT_DATABASE = "fraud"
FIND_SERVER_MS = 5_000
_AUTHENTICATION_FAILED = 18
_UNAUTHORIZED = 13


class Database:
    """Collections of one database. Every operation is bounded in time; every failure is a StoreError without credentials."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Describe the database; the first operation waits for a connection."""
        milliseconds = int(timeout_s * 1000)
        try:
            self.client: pymongo.MongoClient[Document] = pymongo.MongoClient(
                url,
                tz_aware=True,
                tzinfo=UTC,
                w="majority",
                journal=True,
                # Bounds all of an operation: finding the server, the connection, its answer, and repeating it.
                timeoutMS=milliseconds,
                serverSelectionTimeoutMS=min(milliseconds, FIND_SERVER_MS),
                connectTimeoutMS=milliseconds,
                appname="fraudstream",
            )
            self.database = self.client.get_default_database(DEFAULT_DATABASE)
        except (PyMongoError, ValueError, TypeError) as error:
            # Without its cause, and an option named but not quoted: their texts may hold the password.
            raise StoreError(
                f"the store's URL cannot be used ({_kind(error)}): mongodb://USER:PASSWORD@HOST/DATABASE"
            ) from None
        hosts = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        self.name = f"MongoDB {hosts}/{self.database.name}"

    def __getitem__(self, collection: str) -> Collection[Document]:
        """A collection."""
        return self.database[collection]

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Translate whatever goes wrong in the block."""
        try:
            yield
        except (PyMongoError, BSONError) as error:
            raise StoreError(f"{self.name}: {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        if isinstance(error, OperationFailure) and error.code == _AUTHENTICATION_FAILED:
            return "user or password is refused: correct the store's URL (and its authSource)"
        if isinstance(error, OperationFailure) and error.code == _UNAUTHORIZED:
            return "this user may not do that: give it the role readWrite on this database"
        # pymongo's texts say no user and no password, but carry more than one line can.
        said = str(error).partition(", full error")[0].partition(" (configured timeouts")[0].partition(", Timeout:")[0]
        if isinstance(error, ConnectionFailure) or (isinstance(error, PyMongoError) and error.timeout):
            return f"no answer in time ({said}): is it running, and is its address right?"
        return said


def _kind(error: Exception) -> str:
    return (
        "a host that cannot be found or an unknown option"
        if isinstance(error, ConfigurationError)
        else "not a valid URL"
    )
