"""The flag store in MongoDB."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from pymongo import IndexModel, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from fraud.decision import Severity
from fraud.errors import StoreError
from fraud.schema import User
from storage.failpoints import reached
from storage.flags import frames
from storage.flags.documents import KEEP_HEARTBEATS, distinct, newest, settled, to_ms, whole_ms
from storage.flags.encoded import Encoded
from storage.flags.flag_store import FlagFilter, Heartbeat, Minute, Place
from storage.flags.mongo_database import Database, Document
from storage.flags.mongo_queries import (
    FLAG_INDEXES,
    OLDEST_FIRST,
    PLACE,
    WITHOUT_QUERY,
    between,
    matching,
    newest_first,
    per_bucket,
    per_user,
)

if TYPE_CHECKING:
    import pandas as pd

TIMEOUT_S = 10.0
IDS_AT_ONCE = 10_000
FLAGS_AT_ONCE = 5_000
WRITES_AT_ONCE = 500
"""Few enough for the slowest disk within the time-out, so that a repeated call always gets further."""
INDEXES = {
    "flags": FLAG_INDEXES,
    "minutes": [IndexModel("minute", name="minute")],
    "heartbeats": [IndexModel("at", name="at")],
}
_DUPLICATE_KEY = 11_000
_Write = ReplaceOne[Document] | UpdateOne


class MongoStore:
    """`FlagStore` on one MongoDB database: the URL's, or `fraud`."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Describe the store; the first operation connects. StoreError for a URL that is none."""
        self.database = Database(url, timeout_s)
        self.embedded = False

    def prepare(self) -> None:
        """Create indexes, and with them the collections; safe to repeat."""
        with self.database.answering():
            for collection, indexes in INDEXES.items():
                self.database[collection].create_indexes(indexes)

    def store(self, flags: Sequence[Encoded], minutes: Sequence[Minute]) -> None:
        """Insert new flags, then replace older minutes: what a minute counts as flagged can always be read."""
        with self.database.answering():
            self._write("flags", [_insertion(flag) for flag in distinct(flags)])
            reached("inside_store")
            beaten = self._write("minutes", [_replacement(minute) for minute in newest(minutes)])
            # A minute that another writer inserted between our look and our insert is there now: compare once more.
            self._write("minutes", beaten)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Replace this process's heartbeat, and forget processes that are silent for a week."""
        document = _fields(settled(heartbeat))
        with self.database.answering():
            self.database["heartbeats"].replace_one({"_id": heartbeat.process}, document, upsert=True)
            self.database["heartbeats"].delete_many({"at": {"$lt": whole_ms(heartbeat.at - KEEP_HEARTBEATS)}})

    def put_users(self, users: Sequence[User]) -> None:
        """Upsert users; of several of one id the last one stays."""
        latest = {user.user_id: msgspec.to_builtins(user) for user in users}
        with self.database.answering():
            self._write("users", [ReplaceOne({"_id": name}, fields, upsert=True) for name, fields in latest.items()])

    def flags(self, wanted: FlagFilter, limit: int, skip: int = 0) -> list[dict[str, Any]]:
        """Flags as documents, newest first, then by `_id`."""
        if limit <= 0:  # to MongoDB a limit of 0 is none
            return []
        with self.database.answering():
            found = self.database["flags"].find(matching(wanted), WITHOUT_QUERY)
            return [_restored(document) for document in found.sort(newest_first(wanted)).skip(skip).limit(limit)]

    def flag(self, flag_id: str) -> dict[str, Any] | None:
        """One flag."""
        with self.database.answering():
            found = self.database["flags"].find_one({"_id": flag_id}, WITHOUT_QUERY)
        return _restored(found) if found else None

    def flags_by_id(self, flag_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those of these flags that are stored."""
        return {found["_id"]: _restored(found) for found in self._among("flags", flag_ids, WITHOUT_QUERY)}

    def decided(self, log_id: str, group: str, since: datetime, until: datetime) -> Iterator[Place]:
        """Where every flag of one log and group in the period lies, the oldest first."""
        origin, last = {"log_id": log_id, "group": group}, None
        while True:
            with self.database.answering():
                found = self.database["flags"].find(origin | between(since, until, last), PLACE)
                page = list(found.sort(OLDEST_FIRST).limit(FLAGS_AT_ONCE))
            if not page:
                return
            last = page[-1]
            yield from (Place(flag["_id"], flag.get("partition"), flag.get("offset")) for flag in page)

    def flag_count(self, wanted: FlagFilter) -> int:
        """How many flags the filter finds."""
        with self.database.answering():
            return self.database["flags"].count_documents(matching(wanted))

    def flags_per_bucket(self, wanted: FlagFilter, seconds: int) -> "pd.DataFrame":
        """Flags and amounts per bucket, severity and currency."""
        found = [(row["_id"], row) for row in self._aggregate(per_bucket(wanted, seconds))]
        return frames.buckets(
            (int(key["start"]), key["rank"], key["currency"], row["flags"], row["amount"]) for key, row in found
        )

    def top_users(self, wanted: FlagFilter, limit: int) -> "pd.DataFrame":
        """Users with the most flags."""
        found = self._aggregate(per_user(wanted, limit)) if limit > 0 else []
        return frames.users(
            (row["_id"], row["flags"], row["amount"], row["worst"], to_ms(row["last"])) for row in found
        )

    def choices(self, wanted: FlagFilter) -> dict[str, list[str]]:
        """Severities (mildest first), rules and countries of the period."""
        clock = wanted.time.value
        period = {clock: matching(wanted)[clock]}
        with self.database.answering():
            found = {
                field: self.database["flags"].distinct(f"query.{field}", period)
                for field in ("rank", "rules", "country")
            }
        return {
            "severities": [Severity(rank).word for rank in sorted(found["rank"])],
            "rules": sorted(found["rules"]),
            "countries": sorted(country for country in found["country"] if country is not None),
        }

    def minutes(self, since: datetime, until: datetime) -> "pd.DataFrame":
        """Minute counters that start in the period."""
        with self.database.answering():
            period = {"minute": {"$gte": whole_ms(since), "$lt": whole_ms(until)}}
            return frames.minutes(list(self.database["minutes"].find(period)))

    def heartbeats(self) -> list[Heartbeat]:
        """The latest of every process, by name."""
        with self.database.answering():
            return [Heartbeat(**found) for found in self.database["heartbeats"].find({}, {"_id": 0}).sort("_id", 1)]

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """What is known of these users."""
        known = [msgspec.convert(found, User) for found in self._among("users", user_ids, {"_id": 0})]
        return {user.user_id: user for user in known}

    def existing(self, flag_ids: Sequence[str]) -> set[str]:
        """Which of these flags are stored."""
        return {found["_id"] for found in self._among("flags", flag_ids, {"_id": 1})}

    def problems(self) -> list[str]:
        """What is wrong with this store, one line each."""
        try:
            with self.database.answering():
                present = {name: set(self.database[name].index_information()) for name in INDEXES}
        except StoreError as error:
            return [str(error)]
        wanted = {name: {index.document["name"] for index in indexes} for name, indexes in INDEXES.items()}
        return [
            f"{self.database.name}: {name} lacks the indexes {', '.join(sorted(missing))}: run `fraud init`"
            for name in INDEXES
            if (missing := wanted[name] - present[name])
        ]

    def close(self) -> None:
        """Let go of every connection."""
        self.database.client.close()

    def _write(self, collection: str, writes: Sequence[_Write]) -> list[_Write]:
        """Send writes, and return those that met a document of their `_id`."""
        beaten: list[_Write] = []
        for start in range(0, len(writes), WRITES_AT_ONCE):
            some = writes[start : start + WRITES_AT_ONCE]
            try:
                self.database[collection].bulk_write(some, ordered=False)
            except BulkWriteError as error:
                failed = error.details["writeErrors"]
                if error.details["writeConcernErrors"] or any(one["code"] != _DUPLICATE_KEY for one in failed):
                    raise
                beaten.extend(some[one["index"]] for one in failed)
        return beaten

    def _aggregate(self, pipeline: list[dict[str, Any]]) -> list[Document]:
        with self.database.answering():
            return list(self.database["flags"].aggregate(pipeline, allowDiskUse=True))

    def _among(self, collection: str, ids: Sequence[str], fields: dict[str, int]) -> list[Document]:
        found: list[Document] = []
        with self.database.answering():
            for start in range(0, len(ids), IDS_AT_ONCE):
                chunk = {"_id": {"$in": list(ids[start : start + IDS_AT_ONCE])}}
                found.extend(self.database[collection].find(chunk, fields))
        return found


def _insertion(flag: Encoded) -> UpdateOne:
    names = ("rank", "country", "currency", "amount", "search")
    query = {name: getattr(flag, name) for name in names} | {"rules": list(flag.rules)}
    fields = {name: value for name, value in flag.document.items() if name != "_id"}
    return UpdateOne({"_id": flag.document["_id"]}, {"$setOnInsert": fields | {"query": query}}, upsert=True)


def _replacement(minute: Minute) -> ReplaceOne[Document]:
    key = json.dumps([minute.log_id, minute.group, minute.partition, to_ms(minute.minute)])
    fields = _fields(minute) | {"dead": dict(minute.dead), "spend": dict(minute.spend)}
    # Found only where it is older; else this becomes an insert that meets the `_id`, and changes nothing.
    return ReplaceOne({"_id": key, "up_to_offset": {"$lt": minute.up_to_offset}}, fields, upsert=True)


def _fields(record: Minute | Heartbeat) -> Document:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _restored(document: Document) -> Document:
    # MongoDB keeps whole milliseconds; the payment holds its moment in full.
    with suppress(LookupError, TypeError, ValueError):  # somebody altered it
        document["event_time"] = datetime.fromisoformat(document["transaction"]["event_time"]).astimezone(UTC)
    return document
