"""One MongoDB database: how it is opened, how long it may take, and what its errors mean to us."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import pymongo
from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
)

from fraud.errors import StoreError

Document = dict[str, Any]
DEFAULT_DATABASE = "fraud"
FIND_SERVER_MS = 5_000
_AUTHENTICATION_FAILED = 18
_UNAUTHORIZED = 13
_OUT_OF_DISK_SPACE = 14031
_NOT_ALLOWED = "this user may not do that: give it the role readWrite on this database"
_FULL = "its disk is full: make room"


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
        if isinstance(error, BulkWriteError):
            details: Document = dict(error.details)
            return self._of_writes([*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())])
        if isinstance(error, NotPrimaryError):
            return "this member takes no writes: wait until one is elected, and name all members in the store's URL"
        if isinstance(error, OperationFailure) and error.code == _AUTHENTICATION_FAILED:
            return "user or password is refused: correct the store's URL (and its authSource)"
        if isinstance(error, OperationFailure) and error.code == _UNAUTHORIZED:
            return _NOT_ALLOWED
        if isinstance(error, OperationFailure) and error.code == _OUT_OF_DISK_SPACE:
            return _FULL
        # pymongo's texts say no user and no password, but carry more than one line can.
        said = str(error).partition(", full error")[0].partition(" (configured timeouts")[0].partition(", Timeout:")[0]
        if isinstance(error, ConnectionFailure) or (isinstance(error, PyMongoError) and error.timeout):
            return f"no answer in time ({said}): is it running, and is its address right?"
        return said

    def _of_writes(self, failed: Sequence[Document]) -> str:
        """The first of several writes that did not work, or are not known to be durable."""
        codes = {one.get("code") for one in failed}
        if _UNAUTHORIZED in codes:
            return _NOT_ALLOWED
        if _OUT_OF_DISK_SPACE in codes:
            return _FULL
        said = next((str(one["errmsg"]) for one in failed if one.get("errmsg")), "it did not say why")
        return f"it did not take every write ({' '.join(said.split())})"


def _kind(error: Exception) -> str:
    return (
        "a host that cannot be found or an unknown option"
        if isinstance(error, ConfigurationError)
        else "not a valid URL"
    )
