"""What was kept, held against what the oracle said: lost, extra, different.

A sink that keeps decisions is one function from what it holds to documents by key, in the oracle's words; `held` compares any of them.
"""

import json
import zlib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from fraud.decision import micros
from storage.flags.documents import decode
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
        self.flags = as_told(said["flags"])
        self.again = as_told(said["again"])
        self.minutes = {key: _counters(minute) for key, minute in said["minutes"].items()}
        self.dead: dict[str, str] = said["dead"]
        self.checksums: dict[str, dict[str, int]] = said["checksums"]
        self.policies: list[str] = said["policies"]
        self.fates: dict[str, str] = said["fates"]
        self.judgements: dict[str, dict[str, Any]] = said["judgements"]

    @property
    def messages(self) -> int:
        """Records of the log."""
        return sum(map(len, self.checksums.values()))

    @property
    def places(self) -> dict[str, dict[str, Any]]:
        """Dead letters by where their message lies: the reason, and the message by its CRC-32."""
        return {
            place: {"reason": reason, "crc": self.checksums[partition][offset]}
            for place, reason in self.dead.items()
            for partition, _, offset in [place.partition("-")]
        }

    @property
    def published(self) -> dict[str, dict[str, Any]]:
        """Flags on the topic by where their payment lies, each with its id: also those under an id that is stored already."""
        stored = {f"{flag['partition']}-{flag['offset']}": {"id": name, **flag} for name, flag in self.flags.items()}
        return stored | self.again


def held(expected: Expected, stored: Results, log: Log) -> list[Comparison]:
    """Flags and minute counters of the store, and what the log's own topics tell others."""
    published = _by_place(_fixed(decode(value.decode(), None)) for value in values(log, FLAGS))
    comparisons = [
        compare(
            "flags in the store", expected.flags, {name: in_its_words(flag) for name, flag in stored.flags.items()}
        ),
        compare("minute counters", expected.minutes, _minutes(stored)),
        compare(
            "topic flags",
            expected.published,
            {place: {"id": flag["_id"], **in_its_words(flag)} for place, flag in published.items()},
        ),
        compare("topic flags, in every field as stored", *_as_stored(stored, published)),
    ]
    letters = _by_place(told(log, DEAD_LETTERS))
    if expected.dead or letters:
        places = expected.places
        found = {place: _letter(letter, places.get(place, {})) for place, letter in letters.items()}
        comparisons.append(compare("topic transactions.dlq", places, found))
    return comparisons


def as_told(flags: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The oracle's flags, their numbers by the digits that count."""
    return {key: flag | {"hits": [_rounded(hit) for hit in flag["hits"]]} for key, flag in flags.items()}


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


def unacknowledged(report: Path) -> list[str]:
    """What the sender handed over and was never told of, as a line."""
    said = json.loads(report.read_text())
    there = sum(map(len, said["acknowledged"].values()))
    return [f"{said['sent']:,} messages were sent, {there:,} acknowledged"] if there < said["sent"] else []


def told(log: Log, topic: str) -> Iterable[dict[str, Any]]:
    """Every record of a topic, decoded."""
    return (msgspec.json.decode(value) for value in values(log, topic))


def values(log: Log, topic: str) -> Iterable[bytes]:
    """Every record of a topic."""
    for partition in range(log.partitions(topic)):
        first, end = log.bounds(topic, partition)
        for record in log.read(topic, partition, first, end):
            yield record.value or b""


def _by_place(documents: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Documents by the place of their message. Repeats are equal; one that is not is there as something else, and so extra."""
    found: dict[str, dict[str, Any]] = {}
    for document in documents:
        place = f"{document['partition']}-{document['offset']}"
        if found.setdefault(place, document) != document:
            found[f"{place}, told otherwise"] = document
    return found


def _as_stored(stored: Results, published: Mapping[str, dict[str, Any]]) -> tuple[Found, Found]:
    """Stored flags, and what was published of the same payments: whole documents."""
    wanted = {f"{flag['partition']}-{flag['offset']}": _fixed(flag) for flag in stored.flags.values()}
    return wanted, {place: published[place] for place in wanted if place in published}


def _fixed(flag: dict[str, Any]) -> dict[str, Any]:
    """Without when it was decided, and what analysts write."""
    return {name: value for name, value in flag.items() if name not in ("decided_at", "verdict")}


def _letter(letter: dict[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """A dead letter in the oracle's words; what is masked or cut no longer has the message's bytes."""
    is_whole = not (letter["masked"] or letter["truncated"])
    crc = zlib.crc32(b64decode(letter["payload"])) if is_whole else expected.get("crc")
    return {"reason": letter["reason"], "crc": crc}


def in_its_words(flag: dict[str, Any]) -> dict[str, Any]:
    """A flag's document in the oracle's words."""
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
