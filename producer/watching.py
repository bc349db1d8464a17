"""`--measure`: watch the store while payments are sent, and hold what it shows against what the log acknowledged."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fraud.decision import EPOCH, moment
from fraud.errors import StoreError
from producer.pacing import quantiles_ms
from storage.flags.flag_store import FlagFilter, FlagStore

_LOOK_EVERY = 0.05
"""Seconds between looks at the newest flags: the resolution of what is measured."""
_NEWEST = 200
_MINUTE = 60_000_000
_CLOCKS_MAY_DIFFER = timedelta(minutes=1)
_REMEMBERED = 2_000_000
"""Sends whose flags are still waited for."""
_SURELY_ACKNOWLEDGED = timedelta(seconds=10)
_PATIENCE = 20.0
"""Seconds without any progress after which the consumer is no longer waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the store shows of what was sent."""

    acknowledged: int
    accounted: int
    """Of them, counted in minute counters."""
    lost: int
    """Acknowledged, and not accounted for."""
    flagged: int
    """As the minute counters say."""
    flags: int
    """As stored."""
    flags_missing: int
    """Counted as flagged, and not stored."""
    duplicates: int
    dead: Mapping[str, int] = field(default_factory=dict)
    """Dead letters by reason."""
    send_to_readable_ms: Mapping[str, float] = field(default_factory=dict)
    """From handing a payment over until its flag could be read: p50, p95, p99, max."""
    timed: int = 0
    """Flags behind these numbers."""


class Watch:
    """Remembers what was sent and acknowledged, and looks for flags in a thread of its own."""

    def __init__(self, store: FlagStore, log_id: str, group: str) -> None:
        """Flags and counters of one log and group are looked at."""
        self._store = store
        self._log_id = log_id
        self._group = group
        self._since = datetime.now(UTC) - _CLOCKS_MAY_DIFFER
        self._sent_at: dict[tuple[int, int], float] = {}
        self._acknowledged: Counter[tuple[int, int]] = Counter()
        self._first_received: int | None = None
        self._last_received = 0
        self._seen: set[str] = set()
        self._latencies: list[float] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True, name="watch-flags")

    def start(self) -> None:
        """Look for flags from now on."""
        self._thread.start()

    def sending(self) -> Callable[[int, int, int], None]:
        """Called right before a send; the answer is the send's `on_ack`."""
        sent_at = time.time()

        def acknowledged(partition: int, offset: int, received_at: int) -> None:
            with self._lock:
                self._sent_at[partition, offset] = sent_at
                if len(self._sent_at) > _REMEMBERED:
                    del self._sent_at[next(iter(self._sent_at))]
                self._acknowledged[partition, received_at // _MINUTE] += 1
                self._last_received = max(self._last_received, received_at)
                if self._first_received is None or received_at < self._first_received:
                    self._first_received = received_at

        return acknowledged

    def finish(self, is_stopped: Callable[[], bool] = lambda: False) -> Measured:
        """Wait until everything acknowledged is accounted for, or nothing moves any more; then say what is there."""
        counted, moved_at = self._counted(), time.monotonic()
        while counted.lost or counted.flags_missing:
            if is_stopped() or time.monotonic() - moved_at > _PATIENCE:
                break
            self._stop.wait(0.25)
            before, counted = counted, self._counted()
            if (before.accounted, before.flags) != (counted.accounted, counted.flags):
                moved_at = time.monotonic()
        self._stop.set()
        self._thread.join()
        self._look_once()
        return self._counted()

    def _counted(self) -> Measured:
        with self._lock:
            acknowledged = Counter(self._acknowledged)
            first, last = self._first_received, self._last_received
            latencies = list(self._latencies)
        if first is None:
            return Measured(acknowledged=0, accounted=0, lost=0, flagged=0, flags=0, flags_missing=0, duplicates=0)
        since = moment(first // _MINUTE * _MINUTE)
        until = moment((last // _MINUTE + 1) * _MINUTE)
        minutes = self._store.minutes(since, until)
        minutes = minutes[(minutes["log_id"] == self._log_id) & (minutes["group"] == self._group)]
        seen: Counter[tuple[int, int]] = Counter()
        dead: Counter[str] = Counter()
        for row in minutes.to_dict("records"):
            seen[int(row["partition"]), _minute(row["minute"])] += int(row["seen"])
            dead.update(row["dead"])
        lost = sum(max(count - seen[place], 0) for place, count in acknowledged.items())
        flagged = int(minutes["flagged"].sum())
        flags = self._store.flag_count(FlagFilter(since=since, until=until))
        return Measured(
            acknowledged=acknowledged.total(),
            accounted=acknowledged.total() - lost,
            lost=lost,
            flagged=flagged,
            flags=flags,
            flags_missing=max(flagged - flags, 0),
            duplicates=int(minutes["duplicates"].sum()),
            dead=dict(dead),
            send_to_readable_ms=quantiles_ms(latencies),
            timed=len(latencies),
        )

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_EVERY):
            self._look_once()

    def _look_once(self) -> None:
        """Time every flag that is readable now and was not before."""
        until = datetime.now(UTC) + timedelta(minutes=5)
        skip = 0
        while True:
            try:
                found = self._store.flags(FlagFilter(since=self._since, until=until), _NEWEST, skip)
            except StoreError:
                return  # the store is away for a moment; the next look finds what this one missed, later
            readable_at = time.time()
            new = [flag for flag in found if flag["_id"] not in self._seen]
            for flag in new:
                self._time(flag, readable_at)
            if len(new) < _NEWEST:
                return
            skip += _NEWEST

    def _time(self, flag: Mapping[str, Any], readable_at: float) -> None:
        """A flag may be readable before its payment's acknowledgement is here; later it is somebody else's."""
        with self._lock:
            sent_at = self._sent_at.get((int(flag["partition"]), int(flag["offset"])))
            if sent_at is not None:
                self._latencies.append(readable_at - sent_at)
            if sent_at is not None or moment(round(readable_at * 1e6)) - flag["received_at"] > _SURELY_ACKNOWLEDGED:
                self._seen.add(flag["_id"])


def _minute(start: datetime) -> int:
    return (start - EPOCH) // timedelta(minutes=1)
