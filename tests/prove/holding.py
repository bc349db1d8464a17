"""What was kept, held against what the oracle said: lost, extra, different.

A sink that keeps decisions is one function from what it holds to documents by key, in the oracle's words; `held` compares any of them.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from fraud.decision import micros
from storage.logs.log import DEAD_LETTERS, FLAGS, Log
from tests.prove.comparing import Comparison, Found, compare
from tests.prove.naive_reading import FIELDS
from tests.road.results import Results

COUNTERS = (
    *("seen", "decided", "duplicates", "before_policy", "flagged", "up_to_offset"),
    *("id_reused", "history_incomplete", "unknown_fields", "no_limit"),
)
DIGITS = 12
"""Significant digits by which observed values are equal: sums may be taken in another order, and no more."""


class Expected:
    """What the oracle wrote down."""

    def __init__(self, file: Path) -> None:
        """Read it."""
        said = json.loads(file.read_text())
        self.flags: dict[str, dict[str, Any]] = said["flags"]
        self.minutes = {key: _counters(minute) for key, minute in said["minutes"].items()}
        self.dead: dict[str, str] = said["dead"]
        self.checksums: dict[str, dict[str, int]] = said["checksums"]
        self.policies: list[str] = said["policies"]
        self.fates: dict[str, str] = said["fates"]
        self.judgements: dict[str, dict[str, Any]] = said["judgements"]
        for flag in self.flags.values():
            flag["hits"] = [_rounded(hit) for hit in flag["hits"]]

    @property
    def messages(self) -> int:
        """Records of the log."""
        return sum(map(len, self.checksums.values()))

    @property
    def places(self) -> dict[str, dict[str, Any]]:
        """Dead letters by where their message lies."""
        return {place: {"reason": reason} for place, reason in self.dead.items()}


def held(expected: Expected, stored: Results, log: Log) -> list[Comparison]:
    """Flags and minute counters of the store, and what the log's own topics tell others."""
    comparisons = [
        compare("flags in the store", expected.flags, {name: _flag(flag) for name, flag in stored.flags.items()}),
        compare("minute counters", expected.minutes, _minutes(stored)),
        compare("topic flags", {name: {} for name in expected.flags}, {flag["id"]: {} for flag in told(log, FLAGS)}),
    ]
    if expected.dead:
        letters = {f"{one['partition']}-{one['offset']}": {"reason": one["reason"]} for one in told(log, DEAD_LETTERS)}
        comparisons.append(compare("topic transactions.dlq", expected.places, letters))
    return comparisons


def acknowledged(expected: Expected, report: Path) -> Comparison:
    """Messages that the log acknowledged to the sender, held against those that it has."""
    sent = json.loads(report.read_text())["acknowledged"]
    found = {
        (partition, offset): {"crc": crc}
        for partition, crcs in expected.checksums.items()
        for offset, crc in crcs.items()
    }
    wanted: Found = {
        (partition, offset): {"crc": crc} for partition, crcs in sent.items() for offset, crc in crcs.items()
    }
    # What the log took and could not acknowledge any more is its business: extra records are decided like any other.
    return compare("acknowledged messages", wanted, {place: found[place] for place in wanted if place in found})


def told(log: Log, topic: str) -> Iterable[dict[str, Any]]:
    """Every record of a topic, decoded."""
    for partition in range(log.partitions(topic)):
        first, end = log.bounds(topic, partition)
        for record in log.read(topic, partition, first, end):
            yield msgspec.json.decode(record.value or b"")


def _flag(flag: dict[str, Any]) -> dict[str, Any]:
    """A stored flag in the oracle's words."""
    plain = ("partition", "offset", "user_id", "severity", "policy", "history_incomplete")
    return {
        **{name: flag[name] for name in plain},
        "received_at": micros(flag["received_at"]),
        "event_time": micros(flag["event_time"]),
        "hits": [
            _rounded({name: hit[name] for name in ("rule", "mode", "severity", "observed", "threshold")})
            for hit in flag["hits"]
        ],
        "transaction": _as_sent(flag["transaction"]),
        "features": {name: value for name, value in flag["features"].items() if name.startswith("count_")},
    }


def _as_sent(transaction: dict[str, Any]) -> dict[str, Any]:
    """Fields that are there; a moment spelt as Python spells it."""
    there = {name: value for name, value in transaction.items() if name in FIELDS and value is not None}
    return there | {"event_time": datetime.fromisoformat(there["event_time"]).isoformat()}


def _rounded(hit: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: float(f"{hit[name]:.{DIGITS}g}") for name in ("observed", "threshold")}
    return {**hit, **numbers}


def _minutes(stored: Results) -> dict[str, dict[str, Any]]:
    return {
        f"{partition}@{micros(minute)}": _counters(document)
        for (_log_id, _group, partition, minute), document in stored.minutes.items()
    }


def _counters(minute: dict[str, Any]) -> dict[str, Any]:
    """Counters of the promise; nothing and none are the same."""
    several = {name: {key: int(value) for key, value in minute[name].items() if value} for name in ("dead", "spend")}
    return {name: int(minute.get(name, 0)) for name in COUNTERS} | several
