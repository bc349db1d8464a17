"""What an analyst asks for, as MongoDB's filters and pipelines. Text from outside is only ever a value, taken literally."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from storage.flags.documents import least_amount, needle, ranks, whole_ms
from storage.flags.flag_store import FlagFilter, TimeField

WITHOUT_QUERY = {"query": 0}
"""Leaves out the fields that only queries use."""
OLDEST_FIRST = [("received_at", ASCENDING), ("_id", DESCENDING)]
"""The first index backwards."""
PLACE = {"partition": 1, "offset": 1, "received_at": 1}
# Each clock's first index answers "latest" in order, and counts and top users without reading the documents.
FLAG_INDEXES = [
    IndexModel([(field, DESCENDING if field == clock else ASCENDING) for field in fields], name="_".join((name, clock)))
    for clock in TimeField
    for name, fields in {
        "latest": (clock, "_id", "user_id", "query.rank", "query.currency", "query.amount"),
        "user": ("user_id", clock),
        "severity": ("query.rank", clock),
        "rule": ("query.rules", clock),
        "country": ("query.country", clock),
    }.items()
]


def matching(wanted: FlagFilter) -> dict[str, Any]:
    """The filter on `flags`."""
    conditions: dict[str, Any] = {wanted.time.value: {"$gte": whole_ms(wanted.since), "$lt": whole_ms(wanted.until)}}
    if wanted.severities:
        conditions["query.rank"] = {"$in": ranks(wanted)}
    if wanted.rules:
        conditions["query.rules"] = {"$in": list(wanted.rules)}
    if wanted.users:
        conditions["user_id"] = {"$in": list(wanted.users)}
    if wanted.countries:
        conditions["query.country"] = {"$in": list(wanted.countries)}
    if wanted.min_amount is not None:
        conditions["query.amount"] = {"$gte": least_amount(wanted)}
    if wanted.text:
        # Not a regular expression: what an analyst types means itself.
        position = {"$indexOfCP": ["$query.search", {"$literal": needle(wanted.text)}]}
        conditions["$expr"] = {"$gte": [position, 0]}
    return conditions


def between(since: datetime, until: datetime, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """A period of `received_at`; `after`, the flag that was read last, is where the next page begins."""
    if after is None:
        return {"received_at": {"$gte": whole_ms(since), "$lt": whole_ms(until)}}
    at = after["received_at"]
    beyond = [{"received_at": {"$gt": at}}, {"_id": {"$lt": after["_id"]}}]
    return {"received_at": {"$gte": at, "$lt": whole_ms(until)}, "$or": beyond}


def newest_first(wanted: FlagFilter) -> list[tuple[str, int]]:
    """The order of flags."""
    return [(wanted.time.value, DESCENDING), ("_id", ASCENDING)]


def per_bucket(wanted: FlagFilter, seconds: int) -> list[dict[str, Any]]:
    """Documents of `_id` (start in ms, rank, currency), flags and amount."""
    at = {"$toLong": f"${wanted.time.value}"}
    start = {"$subtract": [at, {"$mod": [at, seconds * 1000]}]}
    key = {"start": start, "rank": "$query.rank", "currency": "$query.currency"}
    return [{"$match": matching(wanted)}, {"$group": {"_id": key, **_sums()}}]


def per_user(wanted: FlagFilter, limit: int) -> list[dict[str, Any]]:
    """Documents of `_id` (the user), flags, amount, worst (rank) and last, most flags first."""
    extremes = {"worst": {"$max": "$query.rank"}, "last": {"$max": f"${wanted.time.value}"}}
    group = {"_id": "$user_id", **_sums(), **extremes}
    return [{"$match": matching(wanted)}, {"$group": group}, {"$sort": {"flags": -1, "_id": 1}}, {"$limit": limit}]


def _sums() -> dict[str, Any]:
    # Doubles are exact up to 9e11 major units, and never out of range.
    return {"flags": {"$sum": 1}, "amount": {"$sum": {"$toDouble": "$query.amount"}}}
