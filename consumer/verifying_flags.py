"""Stored flags held against those that the log gives: by id, in every field but what may differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from consumer.asked_ranges import Asked, Gap, Range
from consumer.comparing import Comparison, difference
from consumer.deciding import Answer
from consumer.restoring import polled_of
from consumer.verification import Verification
from fraud.currencies import NO_CURRENCY
from fraud.decision import EPOCH, flag_id
from fraud.decoding import Intake, decode
from fraud.errors import LogError
from storage.flags.flag_store import FlagStore, Place
from storage.logs.log import TRANSACTIONS, Log

MAY_DIFFER: Final = frozenset({"decided_at", "verdict"})
"""When it was decided, and what analysts write."""
FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class FlagCheck:
    """Takes what was decided again, chunk by chunk. Only flag ids are kept."""

    source: Log
    store: FlagStore
    log_id: str
    group: str
    comparison: Comparison = field(default_factory=lambda: Comparison(what="flags"))
    _settled: set[str] = field(default_factory=set)
    _elsewhere: dict[str, "_Elsewhere"] = field(default_factory=dict)
    """Flags whose stored document names another record of the log."""

    def begin(self, wanted: Range) -> None:
        """Nothing is kept by partition."""

    def skip(self, gap: Gap) -> None:
        """Gaps are looked at in the end."""

    def take(self, answer: Answer) -> None:
        """Compare the flags of a chunk. Raises StoreError."""
        found = self.store.flags_by_id([encoded.flag.id for encoded in answer.flags])
        for encoded in answer.flags:
            self._hold(encoded.document, found.get(encoded.flag.id))

    def finish(self, found: Verification, asked: Asked) -> None:
        """What is stored and was not decided."""
        for name, elsewhere in self._elsewhere.items():
            if name not in self._settled:
                self._settle(name, elsewhere, found)
        known = {*self._settled, *self._elsewhere}
        inside = _Inside(found.ranges, found.gaps)
        since, until = asked.since or EPOCH, asked.until or FOR_EVER
        for place in self.store.decided(self.log_id, self.group, since, until):
            if place.flag_id not in known and (place in inside or self._is_nowhere(place, asked)):
                self.comparison.count("extra", f"{place.flag_id} ({_at(place.partition, place.offset)})")

    def _hold(self, expected: Mapping[str, Any], found: Mapping[str, Any] | None) -> None:
        name = expected["_id"]
        if name in self._settled:  # the payment was sent again later than memory reaches: the first flag stays
            return
        label = f"{name} ({_at(expected['partition'], expected['offset'])})"
        earlier = self._elsewhere.get(name)
        if found is not None and _place(found) != _place(expected):
            said = difference(_fixed(expected), _fixed(found))
            self._elsewhere.setdefault(name, _Elsewhere(label, _place(expected), _place(found), said))
        elif (
            earlier is not None and earlier.place[0] == expected["partition"]
        ):  # the first of a partition is what is stored
            self._settled.add(name)
            self.comparison.count("different", f"{earlier.label}: {earlier.said}")
        else:
            self._settled.add(name)
            self.comparison.hold(label, _fixed(expected), None if found is None else _fixed(found))

    def _settle(self, name: str, elsewhere: "_Elsewhere", found: Verification) -> None:
        """A payment that the log holds twice has one flag, of whichever came first."""
        partition, offset = elsewhere.stored
        if self._payment_at(partition, offset) == name:
            reason = (
                f"flag {elsewhere.label} was stored for the same payment at {_at(partition, offset)}, outside the range"
            )
            found.add_gap(Gap(partition=partition, start=offset, end=offset + 1, reason=reason))
        else:
            self.comparison.count("different", f"{elsewhere.label}: {elsewhere.said}")

    def _payment_at(self, partition: Any, offset: Any) -> str | None:
        """Id of the flag that the payment at a place would have; None where there is none."""
        try:
            first, end = self.source.bounds(TRANSACTIONS, partition)
            if not first <= offset < end:
                return None
            polled = polled_of(list(self.source.read(TRANSACTIONS, partition, offset, offset + 1)))
        except (LogError, TypeError):
            return None
        batch = decode(polled, Intake(topic=TRANSACTIONS, default_currency=NO_CURRENCY)).batch
        if not len(batch):
            return None
        payment = batch.rows.transaction(0)
        return flag_id(payment.user_id, payment.transaction_id, payment.event_time)

    def _is_nowhere(self, place: Place, asked: Asked) -> bool:
        """Whether the flag names a record that there has never been."""
        if asked.from_offset is not None:
            return False
        if not isinstance(place.partition, int) or not isinstance(place.offset, int):
            return True
        if place.partition in range(self.source.partitions(TRANSACTIONS)):
            is_mine = not asked.partitions or place.partition in asked.partitions
            return is_mine and place.offset >= self.source.bounds(TRANSACTIONS, place.partition)[1]
        return True


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    label: str
    place: tuple[Any, Any]
    """Of the payment that was decided again."""
    stored: tuple[Any, Any]
    """Of the stored flag."""
    said: str
    """How the documents differ."""


class _Inside:
    """The places that were decided again."""

    def __init__(self, ranges: Sequence[Range], gaps: Sequence[Gap]) -> None:
        self._ranges = {wanted.partition: wanted for wanted in ranges}
        self._gaps: dict[int, list[Gap]] = {}
        for gap in gaps:
            self._gaps.setdefault(gap.partition, []).append(gap)

    def __contains__(self, place: Place) -> bool:
        wanted = self._ranges.get(place.partition) if isinstance(place.partition, int) else None
        if wanted is None or not isinstance(place.offset, int) or not wanted.start <= place.offset < wanted.end:
            return False
        return not any(gap.start <= place.offset < gap.end for gap in self._gaps.get(wanted.partition, ()))


def _fixed(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in MAY_DIFFER}


def _place(document: Mapping[str, Any]) -> tuple[Any, Any]:
    return document.get("partition"), document.get("offset")


def _at(partition: Any, offset: Any) -> str:
    return f"{TRANSACTIONS}-{partition}, offset {offset}"
