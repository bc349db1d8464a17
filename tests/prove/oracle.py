"""The oracle: recomputes from the log alone what must be stored, in a process of its own, naively.

`python -m tests.prove.oracle LOG OUT.json` reads `transactions` and `policies` whole. It shares with the product the readers of the
log and the names of the wire's fields, and nothing that decides.
"""

import hashlib
import json
import sys
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self, TypeVar

from cli.connect import open_log
from cli.settings import Settings
from storage.logs.log import POLICIES, TRANSACTIONS, Log, Record
from tests.prove.naive_memory import MINUTE, Memory, Seen
from tests.prove.naive_reading import FIELDS, Fields, Refused, fields_of, seen
from tests.prove.naive_rules import NO_CURRENCY, Ruling, hits, in_force, rulings, severity
from tests.services.server import die_with_parent

FEATURES = ("count_5m", "count_1h", "count_24h", "count_7d", "count_30d")

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

COUNTED = (
    *("seen", "decided", "duplicates", "before_policy", "flagged"),
    *("id_reused", "history_incomplete", "unknown_fields", "no_limit"),
)


@dataclass(slots=True)
class Oracle:
    """What must be stored of one log."""

    known: list[Ruling]
    flags: dict[str, Fields] = field(default_factory=dict)
    """By flag id."""
    again: dict[str, Fields] = field(default_factory=dict)
    """Flags under an id that is flagged already, by partition-offset: told to others, not stored."""
    minutes: dict[str, Fields] = field(default_factory=dict)
    """By partition and minute (microseconds)."""
    dead: dict[str, str] = field(default_factory=dict)
    """Reasons by partition-offset."""
    checksums: dict[int, dict[int, int]] = field(default_factory=dict)
    """CRC-32 of every value, by partition and offset."""
    fates: dict[int, list[str]] = field(default_factory=dict)
    """One letter for every record of a partition: d decided, u duplicate, b before the first policy, x dead letter; a capital one
    where the history was incomplete."""
    judgements: dict[str, Fields] = field(default_factory=dict)
    """Of every decided record that a rule fired on, flagged or not, by partition-offset."""

    def read(self, log: Log, partition: int) -> None:
        """One partition from its beginning to its end."""
        first, end = log.bounds(TRANSACTIONS, partition)
        memory, clock = Memory(), 0
        checksums = self.checksums[partition] = {}
        for record in log.read(TRANSACTIONS, partition, first, end):
            checksums[record.offset] = zlib.crc32(record.value or b"")
            clock = max(clock, record.received_at)
            self.decide(record, clock, memory)

    def add(self, other: Self) -> None:
        """What another one says of other partitions of the same log."""
        self.known = other.known
        _join(self.flags, other.flags)
        _join(self.again, other.again)
        _join(self.minutes, other.minutes)
        _join(self.dead, other.dead)
        _join(self.checksums, other.checksums)
        _join(self.fates, other.fates)
        _join(self.judgements, other.judgements)

    def decide(self, record: Record, received_at: int, memory: Memory) -> None:
        """One record, at its partition's clock, before and into its partition's memory."""
        self.fates.setdefault(record.partition, []).append(self._fate(record, received_at, memory))

    def _fate(self, record: Record, received_at: int, memory: Memory) -> str:
        counters = self._counters(record, received_at)
        ruling = in_force(self.known, received_at)
        default = ruling.default_currency if ruling else NO_CURRENCY
        try:
            fields = fields_of(record.value, default, received_at)
            counters["unknown_fields"] += len(fields.keys() - FIELDS)
            payment = seen(fields, default)
            said = memory.meet(payment, ruling.moving if ruling else frozenset())
            if said["status"] == "conflict":
                raise Refused("id_conflict")
        except Refused as reason:
            counters["dead"][str(reason)] += 1
            self.dead[f"{record.partition}-{record.offset}"] = str(reason)
            return "x"
        if said["status"] == "duplicate":
            counters["duplicates"] += 1
            return "u"
        self._count(counters, payment, said, ruling)
        if ruling is not None:
            self._judge(record, received_at, ruling, (fields, payment, said), counters)
        letter = "b" if ruling is None else "d"
        return letter.upper() if said["incomplete"] else letter

    def _counters(self, record: Record, received_at: int) -> Fields:
        key = f"{record.partition}@{received_at // MINUTE * MINUTE}"
        counters = self.minutes.setdefault(key, {"dead": Counter(), "spend": Counter(), **dict.fromkeys(COUNTED, 0)})
        counters["seen"] += 1
        counters["up_to_offset"] = record.offset
        return counters

    def _count(self, counters: Fields, payment: Seen, said: Fields, ruling: Ruling | None) -> None:
        counters["before_policy" if ruling is None else "decided"] += 1
        counters["id_reused"] += said["reused"]
        counters["history_incomplete"] += said["incomplete"]
        if payment.is_spend and payment.minor:
            counters["spend"][payment.currency] += payment.minor
        if ruling is not None and payment.is_attempt:
            limits = [rule["limit"] for rule in ruling.rules if rule["kind"] == "high_amount" and rule["mode"] != "off"]
            counters["no_limit"] += any(payment.currency not in limit for limit in limits)

    def _judge(
        self, record: Record, received_at: int, ruling: Ruling, told: tuple[Fields, Seen, Fields], counters: Fields
    ) -> None:
        fields, payment, said = told
        found = list(hits(ruling, payment, said))
        worst = severity(found)
        if found:
            by_mode = {mode: [hit["rule"] for hit in found if hit["mode"] == mode] for mode in ("live", "shadow")}
            self.judgements[f"{record.partition}-{record.offset}"] = {
                "severity": worst, "hits": by_mode["live"], "shadow_hits": by_mode["shadow"], "policy": ruling.hash,
            }  # fmt: skip
        if worst is None:
            return
        counters["flagged"] += 1
        # A payment that came too late is not remembered: sent twice it is decided twice, and the first flag stays.
        flag = {
            "partition": record.partition,
            "offset": record.offset,
            "received_at": received_at,
            "event_time": payment.time,
            "user_id": payment.user,
            "severity": worst,
            "policy": ruling.hash,
            "history_incomplete": said["incomplete"],
            "hits": found,
            "transaction": {name: value for name, value in fields.items() if name in FIELDS},
            "features": {name: float(said[name]) for name in FEATURES},
        }
        if self.flags.setdefault(name := _flag_id(payment), flag) is not flag:
            self.again[f"{record.partition}-{record.offset}"] = {"id": name, **flag}


def consulted(address: str) -> Oracle:
    """The whole log, its partitions on all cores: no user is in two of them."""
    log = open_log(Settings(log=address))
    partitions = range(log.partitions(TRANSACTIONS))
    log.close()
    whole = Oracle([])
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=die_with_parent) as pool:
        for one in pool.map(partly_consulted, [address] * len(partitions), partitions):
            whole.add(one)
    return whole


def partly_consulted(address: str, partition: int) -> Oracle:
    """One partition of a log."""
    log = open_log(Settings(log=address))
    first, end = log.bounds(POLICIES, 0)
    policies = ((one.offset, one.received_at, one.value or b"") for one in log.read(POLICIES, 0, first, end))
    oracle = Oracle(rulings(policies))
    oracle.read(log, partition)
    log.close()
    return oracle


def _join(mine: dict[_Key, _Value], theirs: dict[_Key, _Value]) -> None:
    if twice := mine.keys() & theirs.keys():
        raise AssertionError(f"two partitions tell of {list(twice)[:3]}")
    mine.update(theirs)


def _flag_id(payment: Seen) -> str:
    text = f"{payment.user}\0{payment.name}\0{payment.time}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def main(address: str, out: Path) -> None:
    """Ask the oracle and write down what it says."""
    oracle = consulted(address)
    said: dict[str, Any] = {
        "flags": oracle.flags,
        "again": oracle.again,
        "minutes": oracle.minutes,
        "dead": oracle.dead,
        "checksums": oracle.checksums,
        "fates": {partition: "".join(letters) for partition, letters in oracle.fates.items()},
        "judgements": oracle.judgements,
        "policies": [ruling.hash for ruling in oracle.known],
    }
    out.write_text(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
