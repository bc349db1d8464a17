"""The loop: the only impure code that thinks."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import structlog

from consumer.checkpointing import Checkpointing
from consumer.deciding import Answer, Decider
from consumer.policies import PolicyReader
from consumer.restoring import Restored, Restorer
from consumer.sink import Sink
from consumer.status import Status
from fraud.batch import Polled
from fraud.errors import PolicyError, StoreError
from storage.failpoints import reached
from storage.logs.log import GroupReader

log = structlog.get_logger()

POLL_MS = 200
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two tries while the store is down; the last one repeats."""


class Chore(Protocol):
    """Something small that is done between polls when its time has come."""

    def due(self, status: Status) -> None:
        """Do it, or not yet."""
        ...


@dataclass(slots=True, kw_only=True)
class Loop:
    """Decide, store, publish, commit, checkpoint: in this order, so a crash repeats work and skips none."""

    reader: GroupReader
    decider: Decider
    policies: PolicyReader
    restorer: Restorer
    sink: Sink
    checkpointing: Checkpointing
    status: Status
    chores: list[Chore] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    max_records: int = 5_000
    until: Callable[[Status], bool] = lambda _status: False
    """Ends the loop when True after a poll: for runs over a log that ends."""
    turned_at: float = field(default_factory=time.monotonic)
    """When the loop last went round (monotonic)."""

    def run(self) -> None:
        """Work through the log until told to stop; leaves committed and checkpointed."""
        try:
            while not self.stopping.is_set():
                self.turned_at = time.monotonic()
                polled = self._polled()
                if len(polled):
                    self._work(polled)
                for chore in self.chores:
                    chore.due(self.status)
                if self.until(self.status):
                    break
        except KeyboardInterrupt:
            if not self.stopping.is_set():
                raise
        finally:
            self.status.state = "stopping"
            for chore in self.chores:
                chore.due(self.status)
        self.checkpointing.write_all(self.decider)

    def close(self) -> None:
        """Leave the group and let go of the sink."""
        self.sink.close()
        self.reader.close()

    def _work(self, polled: Polled) -> None:
        with self.status.timing("decide", len(polled)):
            answer = self.decider.decide(polled)
        reached("after_decide")
        self._store(answer)
        reached("after_store")
        durable = self.sink.publish(answer)
        reached("after_publish")
        self.reader.commit(durable)
        reached("after_commit")
        self.status.took(answer)
        self.checkpointing.after(self.decider, answer, durable)
        if answer.other_engine is not None:
            self.checkpointing.write_all(self.decider)
            raise PolicyError(
                f"the policy that now takes effect is for engine {answer.other_engine}; everything before it is committed: "
                "start that release, it goes on from here"
            )

    def _polled(self) -> Polled:
        """The next records of partitions whose state is here; follows the group's assignment first."""
        polled = self.reader.poll(POLL_MS, self.max_records)
        reached("after_poll")
        changes = self.reader.assignment()
        for partition in changes.lost:
            self._let_go(partition)
        self.policies.look(int(polled.received_at.max()) if len(polled) else 0)
        reached("after_policy_read")
        settled = sorted(self.decider.states)  # what came before a partition moved is delivered again
        for partition in changes.gained:
            self._take_up(partition)
        mine = np.isin(polled.partition, np.array(settled, np.int64))
        if mine.all():
            return polled
        kept = np.flatnonzero(mine)
        return Polled(
            partition=polled.partition[kept],
            offset=polled.offset[kept],
            received_at=polled.received_at[kept],
            values=[polled.values[row] for row in kept.tolist()],
        )

    def _let_go(self, partition: int) -> None:
        self.decider.engine.forget(partition)
        self.decider.states.pop(partition, None)
        self.sink.let_go(partition)
        self.status.lost(partition)
        log.info("partition_lost", partition=partition)

    def _take_up(self, partition: int) -> Restored:
        self.status.state = "restoring"
        try:
            committed = self.sink.resumes_at(partition, self.reader.committed(partition))
            restored = self.restorer.restore(partition, committed)
        except BaseException:
            self._let_go(partition)  # half a state is none
            raise
        self.reader.seek(partition, restored.next_offset)
        self.status.state = "running"
        self.status.gained(partition, restored)
        self.checkpointing.begin(partition, restored)
        log.info(
            "partition_taken_up",
            partition=partition,
            offset=restored.next_offset,
            checkpoint=restored.from_checkpoint,
            replayed=restored.replayed,
            from_archive=restored.from_archive,
            degraded=None if restored.degraded is None else str(restored.degraded),
        )
        return restored

    def _store(self, answer: Answer) -> None:
        """Store, however long the store is away: paused, still in the group, trying again."""
        tries = 0
        while True:
            try:
                with self.status.timing("store", len(answer.flags)):
                    self.sink.store(answer)
            except StoreError as error:
                self._wait_for_store(error, tries)
                tries += 1
            else:
                if tries:
                    self.reader.resume()
                    self.status.resumed()
                    log.info("store_back", tries=tries)
                return

    def _wait_for_store(self, error: StoreError, tries: int) -> None:
        if self.stopping.is_set() and tries:
            raise error
        if not tries:
            self.reader.pause()
            self.status.paused(str(error))
            log.warning("store_down", reason=str(error))
        self.turned_at = time.monotonic()
        self.stopping.wait(PAUSES[min(tries, len(PAUSES) - 1)])
        self.reader.poll(0, 1)
