"""The loop: the only impure code that thinks."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import structlog

from consumer.checkpointing import Checkpointing
from consumer.deciding import Answer, Decider
from consumer.outbox import Outbox
from consumer.policies import PolicyReader
from consumer.restoring import Restored, Restorer
from consumer.status import Status
from fraud.batch import Polled
from fraud.dead_letters import Reason
from fraud.decoding import dead_letter
from fraud.errors import PolicyError, StoreError
from storage.flags.flag_store import FlagStore
from storage.logs.log import TRANSACTIONS, GroupReader

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
    store: FlagStore
    outbox: Outbox
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
        """Leave the group and let go of the outbox."""
        self.outbox.close()
        self.reader.close()

    def _work(self, polled: Polled) -> None:
        with self.status.timing("decide", len(polled)):
            answer = self.decider.decide(polled)
        unencodable = self._stored(answer)
        self._bury_unencodable(answer, polled, unencodable)
        self.outbox.publish(answer.flags, answer.dead)
        self.reader.commit(answer.next_offsets)
        self.status.took(answer)
        self.checkpointing.after(self.decider, answer)
        if answer.other_engine is not None:
            self.checkpointing.write_all(self.decider)
            raise PolicyError(
                f"the policy that now takes effect is for engine {answer.other_engine}; everything before it is committed: "
                "start that release, it goes on from here"
            )

    def _polled(self) -> Polled:
        """The next records of partitions whose state is here; follows the group's assignment first."""
        polled = self.reader.poll(POLL_MS, self.max_records)
        changes = self.reader.assignment()
        for partition in changes.lost:
            self._let_go(partition)
        self.policies.look(int(polled.received_at.max()) if len(polled) else 0)
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
        self.status.lost(partition)
        log.info("partition_lost", partition=partition)

    def _take_up(self, partition: int) -> Restored:
        self.status.state = "restoring"
        try:
            restored = self.restorer.restore(partition, self.reader.committed(partition))
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
            degraded=restored.degraded,
        )
        return restored

    def _stored(self, answer: Answer) -> list[str]:
        """Store, however long the store is away: paused, still in the group, trying again. Returns unencodable flag ids."""
        tries = 0
        while True:
            try:
                with self.status.timing("store", len(answer.flags)):
                    unencodable = self.store.store(answer.flags, answer.minutes)
            except StoreError as error:
                self._wait_for_store(error, tries)
                tries += 1
            else:
                if tries:
                    self.reader.resume()
                    self.status.resumed()
                    log.info("store_back", tries=tries)
                return unencodable

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

    def _bury_unencodable(self, answer: Answer, polled: Polled, unencodable: list[str]) -> None:
        """A flag that the store cannot keep becomes a dead letter, in time for the same commit."""
        if not unencodable:
            return
        refused = set(unencodable)
        row_by_place: Mapping[tuple[int, int], int] = {
            place: row for row, place in enumerate(zip(polled.partition.tolist(), polled.offset.tolist(), strict=True))
        }
        for flag in [flag for flag in answer.flags if flag.id in refused]:
            row = row_by_place[flag.partition, flag.offset]
            detail = "the store cannot encode its flag"
            answer.dead.append(dead_letter(polled, row, TRANSACTIONS, Reason.UNENCODABLE, detail))
        answer.flags = [flag for flag in answer.flags if flag.id not in refused]
