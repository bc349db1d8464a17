"""Flags, minutes and heartbeats as rows of the SQL store."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from storage.flags.documents import settled, to_ms
from storage.flags.encoded import Encoded
from storage.flags.flag_store import Heartbeat, Minute, Place
from storage.flags.sql_queries import stored_text


def flag_row(flag: Encoded) -> dict[str, Any]:
    """A row of `flags`."""
    document = flag.document
    return {
        "id": document["_id"],
        "received_at": to_ms(document["received_at"]),
        "event_time": to_ms(document["event_time"]),
        "user_id": stored_text(document["user_id"]),
        "severity": flag.rank,
        "amount": flag.amount,
        "currency": stored_text(flag.currency),
        "country": flag.country and stored_text(flag.country),
        "verdict": document["verdict"],
        "search": stored_text(flag.search),
        "document": flag.json.decode(),
    }


def rule_rows(flag: Encoded) -> list[dict[str, Any]]:
    """Rows of `flag_rules`, one for each rule with a live hit."""
    document = flag.document
    clocks = {"received_at": to_ms(document["received_at"]), "event_time": to_ms(document["event_time"])}
    return [{"rule": stored_text(rule), "flag_id": document["_id"], **clocks} for rule in flag.rules]


def places_of(rows: Iterable[Any], log_id: str, group: str) -> Iterator[Place]:
    """Of rows with an id and a document, those of one log and group."""
    for row in rows:
        told = msgspec.json.decode(row.document, type=_Told)
        if (told.log_id, told.group) == (log_id, group):
            yield Place(row.id, told.partition, told.offset)


class _Told(msgspec.Struct):
    """The little that is read of a document."""

    log_id: str | None = None
    group: str | None = None
    partition: int | None = None
    offset: int | None = None


def heartbeat_row(heartbeat: Heartbeat) -> dict[str, Any]:
    """A row of `heartbeats`."""
    document = settled(heartbeat)
    return {
        "process": stored_text(document.process),
        "at": to_ms(document.at),
        "document": msgspec.json.encode(document).decode(),
    }


def minute_row(minute: Minute) -> dict[str, Any]:
    """A row of `minutes`."""
    document = dataclasses.replace(minute, dead=dict(minute.dead), spend=dict(minute.spend))
    return {
        "log_id": minute.log_id,
        "group": minute.group,
        "partition": minute.partition,
        "minute": to_ms(minute.minute),
        "up_to_offset": minute.up_to_offset,
        "document": msgspec.json.encode(document).decode(),
    }
