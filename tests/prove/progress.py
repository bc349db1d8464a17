"""How far the group is, looked at from outside all the while: the longest time that a partition with payments was not moved on."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from fraud.errors import LogError
from storage.logs.kafka_log import KafkaLog
from storage.logs.log import TRANSACTIONS

EVERY = 0.5
"""Seconds between two looks."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """Looks on a thread of its own: a broker that is away holds up nobody else."""

    bootstrap: str
    group: str
    partitions: int
    longest_gap: float = 0.0
    """Seconds."""
    lag: int = 0
    """Records at the last look."""
    looked_at: float = 0.0
    """Monotonic."""
    _moved_at: dict[int, float] = field(default_factory=dict)
    _committed: dict[int, int] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def committed(self) -> int:
        """Records that the group has committed, at the last look."""
        return sum(self._committed.values())

    def start(self) -> None:
        """From now on."""
        self._thread = threading.Thread(target=self._look_on, daemon=True, name="progress")
        self._thread.start()

    def stop(self) -> None:
        """No more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(30.0)

    def _look_on(self) -> None:
        log, admin = KafkaLog(self.bootstrap), KafkaAdminClient(bootstrap_servers=self.bootstrap)
        while not self._stopping.wait(EVERY):
            with suppress(KafkaError, LogError):
                self._look(log, admin)
        admin.close()
        log.close()

    def _look(self, log: KafkaLog, admin: KafkaAdminClient) -> None:
        found = admin.list_group_offsets(self.group)[self.group]
        now = time.monotonic()
        lag = 0
        for partition in range(self.partitions):
            place = found.get(TopicPartition(TRANSACTIONS, partition))
            committed = max(place.offset, 0) if place is not None else 0
            behind = log.bounds(TRANSACTIONS, partition)[1] - committed
            lag += behind
            self._mark(partition, committed, behind, now)
        self.lag, self.looked_at = lag, now

    def _mark(self, partition: int, committed: int, behind: int, now: float) -> None:
        moved_at = self._moved_at.setdefault(partition, now)
        self.longest_gap = max(self.longest_gap, now - moved_at)
        if behind == 0 or committed != self._committed.get(partition):
            self._moved_at[partition] = now
        self._committed[partition] = committed
