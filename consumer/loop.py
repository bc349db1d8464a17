"""The loop: the only impure code that thinks."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import structlog

from consumer.checkpointing import Checkpointing
from consumer.deciding import Answer, Decider
from consumer.handing_over import HandOver
from consumer.policies import PolicyReader
from consumer.resting import Resting
from consumer.restoring import Restored, Restorer
from consumer.sink import Sink
from consumer.status import Status
from fraud.batch import Polled
from fraud.errors import FraudError, LogAwayError, StoreError
from storage.failpoints import reached
from storage.logs.log import GroupReader

log = structlog.get_logger()

Asked = TypeVar("Asked")

POLL_MS = 200
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two tries while store or log are away; the last one repeats."""
LOG_PATIENCE = 15 * 60.0
"""Seconds that the log may be away. Then the process ends: a new one, with new connections, has the better chances."""


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
    resting: Resting
    sink: Sink
    checkpointing: Checkpointing
    status: Status
    heartbeat: Chore
    chores: list[Chore] = field(default_factory=list)
    hand_over: HandOver = field(default_factory=HandOver)
    stopping: threading.Event = field(default_factory=threading.Event)
    max_records: int = 5_000
    log_patience: float = LOG_PATIENCE
    until: Callable[[Status], bool] = lambda _status: False
    """Ends the loop when True after a poll: for runs over a log that ends."""
    turned_at: float = field(default_factory=time.monotonic)
    """When the loop last went round, or waited for a part that is away (monotonic)."""
    doing: str = "start"
    """The stage that it is in."""

    def run(self) -> None:
        """Work through the log until told to stop; leaves committed and checkpointed."""
        last_word = "failed"
        try:
            while not self.stopping.is_set():
                self.turned_at = time.monotonic()
                polled = self._polled()
                if len(polled):
                    self._work(polled)
                if self.hand_over.partitions:
                    self._hand_over()
                self._do_chores()
                if self.until(self.status):
                    break
            last_word = "stopping"
        except KeyboardInterrupt:
            if not self.stopping.is_set():
                raise
            last_word = "stopping"
        finally:
            self.status.state = last_word
            self.heartbeat.due(self.status)  # no other chore: they would wait for what may be away
        self.checkpointing.write_all(self.decider)

    def close(self) -> None:
        """Let go of the sink and leave the group, whatever is away."""
        try:
            self.sink.close()
        finally:
            self.reader.close()

    def _work(self, polled: Polled) -> None:
        self.doing = "decide"
        with self.status.timing("decide", len(polled)):
            answer = self.decider.decide(polled)
        reached("after_decide")
        self._store(answer)
        reached("after_store")
        durable = self._asked("publish", lambda: self.sink.publish(answer))
        reached("after_publish")
        self._asked("commit", lambda: self.reader.commit(durable))
        reached("after_commit")
        self.status.took(answer)
        self.checkpointing.after(self.decider, answer, durable)
        if answer.other_engine is not None:
            self._stand_still(answer)

    def _stand_still(self, answer: Answer) -> None:
        """Read no further where another engine goes on. Raises PolicyError in the release that follows: only the other one helps."""
        self.hand_over.begin(answer, time.monotonic())
        if self.decider.is_latest_ours():
            self.checkpointing.write_all(self.decider)
            raise self.hand_over.error()
        ends = self._asked("hand over", lambda: self.reader.end_offsets(sorted(answer.left)))
        for partition, end in ends.items():  # what lies there keeps others from being read, and is passed over
            self.reader.seek(partition, end)

    def _hand_over(self) -> None:
        """Leave once every partition is where the other engine goes on. Raises PolicyError then."""
        positions = {partition: state.next_offset for partition, state in self.decider.states.items()}
        others = positions.keys() - self.hand_over.partitions
        ends = self._asked("hand over", lambda: self.reader.end_offsets(sorted(others)))
        if self.hand_over.is_over(positions, ends, time.monotonic()):
            answer = Answer(left=frozenset(others))
            self._store(answer)
            durable = self._asked("publish", lambda: self.sink.publish(answer))
            self._asked("commit", lambda: self.reader.commit(durable))
            self.checkpointing.write_all(self.decider)
            raise self.hand_over.error()

    def _polled(self) -> Polled:
        """The next records of partitions whose state is here; follows the group's assignment first."""
        polled = self._asked("poll", lambda: self.reader.poll(POLL_MS, self.max_records))
        reached("after_poll")
        changes = self.reader.assignment()
        for partition in changes.lost:
            self._let_go(partition)
        newest = int(polled.received_at.max()) if len(polled) else 0
        self._asked("read policies", lambda: self.policies.look(newest))
        reached("after_policy_read")
        settled = sorted(
            self.decider.states.keys() - self.hand_over.partitions
        )  # what came before a partition moved is delivered again
        for partition in changes.gained:
            self._asked("restore", lambda gained=partition: self._take_up(gained))  # type: ignore[misc]
        if changes.is_settled:
            self.resting.forget()
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
        self.resting.lay_down(partition, self.status.restored.get(partition))
        self.hand_over.partitions.discard(partition)
        self.sink.let_go(partition)
        self.status.lost(partition)
        log.info("partition_lost", partition=partition)

    def _take_up(self, partition: int) -> Restored:
        self.status.state = "restoring"
        try:
            committed = self._insist(
                lambda: self.sink.resumes_at(partition, self.reader.committed(partition)), StoreError, "store", math.inf
            )
            again = self.resting.take_up(partition, committed)
            restored = again or self.restorer.restore(partition, committed)
        except BaseException:
            self._let_go(partition)  # half a state is none
            raise
        self.reader.seek(partition, restored.next_offset)
        self.status.state = "running"
        self.status.gained(partition, restored)
        if again is None:
            self.checkpointing.begin(partition, restored)
        log.info(
            "partition_taken_up",
            partition=partition,
            offset=restored.next_offset,
            checkpoint=restored.from_checkpoint,
            replayed=restored.replayed,
            kept=again is not None,
            from_archive=restored.from_archive,
            degraded=None if restored.degraded is None else str(restored.degraded),
        )
        return restored

    def _store(self, answer: Answer) -> None:
        """Store, however long the store is away."""

        def store() -> None:
            with self.status.timing("store", len(answer.flags)):
                self.sink.store(answer)

        self.doing = "store"
        self._insist(store, StoreError, "store", math.inf)

    def _asked(self, doing: str, ask: Callable[[], Asked]) -> Asked:
        """What the log answers. While it is away nothing is skipped and nothing done twice: the same question is asked again."""
        self.doing = doing
        return self._insist(ask, LogAwayError, "log", self.log_patience)

    def _insist(self, attempt: Callable[[], Asked], away: type[FraudError], part: str, patience: float) -> Asked:
        """Try until it works: paused, still in the group, for so many seconds. Where we are to stop, the error stands."""
        tries, since = 0, time.monotonic()
        while True:
            try:
                answer = attempt()
            except away as error:
                if self.stopping.is_set() or (tries and time.monotonic() - since > patience):
                    raise
                self._wait_for(part, error, tries)
                tries += 1
            else:
                if tries:
                    self.reader.resume()
                    self.status.resumed()
                    event = f"{part}_back"
                    log.info(event, tries=tries)
                return answer

    def _wait_for(self, part: str, error: FraudError, tries: int) -> None:
        self.reader.pause()  # each time: signs of life in the middle of a restore have resumed it
        if not tries:
            event = f"{part}_down"
            log.warning(event, reason=str(error))
        self.status.paused(part, str(error))
        if part == "log":  # the other chores would wait for it as well
            self.heartbeat.due(self.status)
        elif self.sink.stores_apart:
            self._do_chores()
        self.turned_at = time.monotonic()
        self.stopping.wait(PAUSES[min(tries, len(PAUSES) - 1)])
        with suppress(LogAwayError):
            self.reader.poll(0, 1)

    def _do_chores(self) -> None:
        doing, self.doing = self.doing, "chores"
        for chore in (self.heartbeat, *self.chores):
            chore.due(self.status)
        self.doing = doing
