"""History as a stream again: the payments of the Parquet files as they travelled, and the labels when they were reported."""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from fraud.decision import EPOCH, micros
from fraud.schema import (
    Authentication,
    Channel,
    EntryMode,
    Initiator,
    Kind,
    Label,
    LabelSource,
    LabelValue,
    Outcome,
    Transaction,
)
from storage import labels
from storage.history import read_tables

Timed = tuple[int, int, Transaction | Label]
_WORDS: dict[str, Any] = {
    "kind": Kind,
    "outcome": Outcome,
    "channel": Channel,
    "entry_mode": EntryMode,
    "authentication": Authentication,
    "initiated_by": Initiator,
}


def events(
    root: str | Path, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Transaction | Label]:
    """Payments with since <= event_time < until and the labels reported in that time, in order of time."""
    paid: Iterator[Timed] = ((micros(payment.event_time), 0, payment) for payment in transactions(root, since, until))
    reported: Iterator[Timed] = ((micros(label.reported_at), 1, label) for label in reports(root, since, until))
    for _, _, event in heapq.merge(paid, reported, key=lambda timed: timed[:2]):
        yield event


def transactions(
    root: str | Path, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Transaction]:
    """Payments in the order they were written; about 10 µs each."""
    for table in read_tables(root, since, until):
        yield from _transactions(table)


def reports(root: str | Path, since: datetime | None = None, until: datetime | None = None) -> list[Label]:
    """Labels with since <= reported_at < until, in order of their reports; one that is kept twice is told once."""
    found = {
        Label(
            transaction_id=row["transaction_id"],
            user_id=row["user_id"],
            source=LabelSource(row["source"]),
            label=LabelValue(row["label"]),
            event_time=row["event_time"],
            reported_at=row["reported_at"],
            fraud_type=row["fraud_type"],
        )
        for table in labels.read_tables(root)
        for row in table.to_pylist()
        if (since is None or row["reported_at"] >= since) and (until is None or row["reported_at"] < until)
    }
    return sorted(found, key=lambda label: (label.reported_at, label.user_id, label.transaction_id))


def _transactions(table: pa.Table) -> Iterator[Transaction]:
    names = [name for name in Transaction.__struct_fields__ if name in table.column_names and name != "event_time"]
    columns = [_times(table), *(_values(table, name) for name in names)]
    for values in zip(*columns, strict=True):
        yield Transaction(event_time=values[0], **dict(zip(names, values[1:], strict=True)))


def _times(table: pa.Table) -> list[datetime]:
    """Event times with the offset they were written with."""
    moments = table["event_time"].cast(pa.int64()).to_pylist()
    offsets = table["utc_offset"].to_pylist() if "utc_offset" in table.column_names else [0] * len(moments)
    zones = {minutes: timezone(timedelta(minutes=minutes)) if minutes else UTC for minutes in set(offsets)}
    return [
        (EPOCH + timedelta(microseconds=moment)).astimezone(zones[minutes])
        for moment, minutes in zip(moments, offsets, strict=True)
    ]


def _values(table: pa.Table, name: str) -> list[Any]:
    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values: list[Any] = column.to_pylist()
    if name in _WORDS:
        word = {value: None if value is None else _WORDS[name](value) for value in set(values)}
        return [word[value] for value in values]
    return values
