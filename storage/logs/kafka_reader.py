"""One member of a Kafka consumer group, with explicit positions and explicit commits."""

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError

from fraud.batch import Polled
from fraud.columns import Ints
from fraud.errors import LogAwayError, LogError
from storage.failpoints import reached
from storage.logs.kafka_connection import KafkaConnection
from storage.logs.log import Assignment

# A commit in the middle of a rebalance waits for the slowest other member, which may be rebuilding state; then it may be asked
# again.
COMMIT_SECONDS = 60.0
# Without an answer for so long the brokers are away; whoever asked may ask again, and says meanwhile that it waits.
ANSWER_MS = 5_000
# Lag is asked for between two polls, and worth no long wait.
END_OFFSETS_MS = 5_000
LEARN_SECONDS = 30.0
# A member whose name was taken reads on, its heartbeats stopped without a word: only a commit tells it. So an idle one commits
# again what stands, every so often.
PROVE_SECONDS = 10.0

OPTIONS: dict[str, Any] = {
    "enable_auto_commit": False,
    # Where to start is decided by whoever restores state; a truncated log is an alarm, never a silent reset.
    "auto_offset_reset": "none",
    "allow_auto_create_topics": False,
    # Not the cooperative one: a move takes it two rebalances, and where fixed members crash between the two, each is given back
    # its half without a third. What one had let go for another then belongs to nobody until somebody joins or leaves.
    "partition_assignment_strategy": [StickyPartitionAssignor],
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 3_000,
    # Rebuilding the state of a gained partition happens between two polls.
    "max_poll_interval_ms": 1_800_000,
    # A poll costs 1.5 ms whatever it returns: waiting for 64 KiB or 50 ms keeps a quiet consumer at 5 % of a core.
    "fetch_min_bytes": 65_536,
    "fetch_max_wait_ms": 50,
    "metrics_enabled": False,
}


class KafkaGroupReader:
    """One member of a group on one topic. Used by one thread; the client's own threads only enqueue what changed.

    A gained partition is paused and stands at offset 0 until `seek`: so the client neither asks for a committed offset nor
    delivers from one, also where it would keep an old position in memory.
    """

    def __init__(self, connection: KafkaConnection, topic: str, group: str, member: str | None) -> None:
        """Connect; the group is joined by the first polls."""
        self._connection = connection
        self._topic = topic
        self._positioned: set[int] = set()
        self._is_static = member is not None
        self._standing: dict[int, int] = {}
        self._committed_at = time.monotonic()
        self._is_paused = False
        self._changes: deque[tuple[str, int | None]] = deque()
        with connection.translated(f"joining group {group}"):
            self._consumer: Any = KafkaConsumer(
                **connection.options(), **OPTIONS, group_id=group, group_instance_id=member
            )
            self._consumer.subscribe([topic], listener=_Listener(self._consumer, self._changes))
            self._learn_partitions()

    def poll(self, timeout_ms: int, max_records: int) -> Polled:
        """Records of assigned, unpaused, positioned partitions; empty after the timeout.

        Raises LogError where another process took this static member's name.
        """
        if self._is_static and not self._is_paused and time.monotonic() - self._committed_at > PROVE_SECONDS:
            self._committed_at = time.monotonic()
            self.commit(self._standing)
        try:
            records_by_partition = self._consumer.poll(timeout_ms, max_records=max_records)
        except KafkaError as error:
            raise self._connection.error(f"polling {self._topic}", error) from error
        return _columns(records_by_partition)

    def assignment(self) -> Assignment:
        """What changed since the last call; a partition in both lists was lost and came back."""
        changes: list[tuple[str, int | None]] = []
        while self._changes:
            changes.append(self._changes.popleft())
        for _change, partition in changes:
            if partition is not None:
                self._positioned.discard(partition)
                self._standing.pop(partition, None)
        return assignment_of(changes)

    def committed(self, partition: int) -> int | None:
        """The group's committed offset; None when nothing was committed."""
        with self._connection.translated(f"asking for the committed offset of {self._topic}-{partition}"):
            offset: int | None = self._consumer.committed(self._at(partition), timeout_ms=ANSWER_MS)
        if offset is not None:
            self._standing[partition] = offset
        return offset

    def seek(self, partition: int, offset: int) -> None:
        """Deliver this partition from `offset` on; nothing happens when it moved away meanwhile."""
        at = self._at(partition)
        if not self._is_ours(partition):
            return
        self._consumer.seek(at, offset)
        self._positioned.add(partition)
        if not self._is_paused:
            self._consumer.resume(at)

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Commit explicit offsets and wait for the answer; partitions that moved away are left out."""
        deadline = time.monotonic() + COMMIT_SECONDS
        while ours := {partition: offset for partition, offset in next_offsets.items() if self._is_held(partition)}:
            try:
                offsets = {self._at(partition): OffsetAndMetadata(at) for partition, at in ours.items()}
                self._consumer.commit(offsets, timeout_ms=ANSWER_MS)
                self._standing |= ours
                self._committed_at = time.monotonic()
                return
            except (RebalanceInProgressError, CommitFailedError) as error:
                if time.monotonic() > deadline:
                    raise LogAwayError(
                        f"Kafka: the group of {self._topic} does not settle, nothing is committed"
                    ) from error
                self._settle()
            except KafkaError as error:
                raise self._connection.error(f"committing {self._topic}", error) from error

    def pause(self) -> None:
        """Deliver nothing, keep the membership (poll on)."""
        self._is_paused = True
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """Deliver again."""
        self._is_paused = False
        self._consumer.resume(*(self._at(partition) for partition in self._positioned if self._is_held(partition)))

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """The offset after the last record of each, for lag; one request for all, since it is asked for between two polls."""
        if not partitions:
            return {}
        with self._connection.translated(f"asking for the ends of {self._topic}"):
            found = self._consumer.end_offsets([self._at(one) for one in partitions], timeout_ms=END_OFFSETS_MS)
        return {at.partition: int(end) for at, end in found.items()}

    def close(self) -> None:
        """Leave the group; a static member stays known to it until its session ends."""
        with self._connection.translated("leaving the group"):
            self._consumer.close(autocommit=False, timeout_ms=5_000)

    def _learn_partitions(self) -> None:
        """Make sure that the client knows the topic before it joins.

        An answer to its earlier question, about no topic, can come after `subscribe` and be taken for the one to ours: then the
        group's leader assigns nothing, to anybody, until metadata is refreshed minutes later.
        """
        deadline = time.monotonic() + LEARN_SECONDS
        while not self._consumer.partitions_for_topic(self._topic):
            if time.monotonic() > deadline:
                raise LogError(f"Kafka does not tell the partitions of topic {self._topic}")
            time.sleep(0.1)

    def _settle(self) -> None:
        """Let a rebalance finish without taking records."""
        was_paused = self._is_paused
        self.pause()
        try:
            self._consumer.poll(200)
        except KafkaError as error:
            raise self._connection.error(f"rebalancing {self._topic}", error) from error
        finally:
            if not was_paused:
                self.resume()

    def _is_held(self, partition: int) -> bool:
        """Whether this partition stayed ours since `seek`: else our offset may be behind what its next owner committed."""
        changed = any(partition == changed for _change, changed in tuple(self._changes))
        return partition in self._positioned and not changed and self._is_ours(partition)

    def _is_ours(self, partition: int) -> bool:
        return self._at(partition) in self._consumer.assignment()

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # the client demands its own class
    """Runs on the client's IO thread, where any request would raise: it pauses and enqueues, no more."""

    def __init__(self, consumer: Any, changes: deque[tuple[str, int | None]]) -> None:
        self._consumer = consumer
        self._changes = changes

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        reached("in_rebalance")
        for at in sorted(assigned):
            self._consumer.pause(at)
            self._consumer.seek(at, 0)
            self._changes.append(("gained", at.partition))
        self._changes.append(("settled", None))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._changes.extend(("lost", at.partition) for at in sorted(revoked))

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)


def assignment_of(changes: Iterable[tuple[str, int | None]]) -> Assignment:
    """What changes in their order come to; settled only where nothing was lost after that: then the next rebalance has begun."""
    gained: dict[int, None] = {}
    lost: dict[int, None] = {}
    is_settled = False
    for change, partition in changes:
        if partition is None:
            is_settled = True
        elif change == "gained":
            gained[partition] = None
        else:
            lost[partition] = None
            gained.pop(partition, None)
            is_settled = False
    return Assignment(gained=tuple(gained), lost=tuple(lost), is_settled=is_settled)


def _columns(records_by_partition: Mapping[TopicPartition, list[Any]]) -> Polled:
    """Transpose the client's records; their fields are read by position, which is several times faster than by name."""
    records = list(chain.from_iterable(records_by_partition.values()))
    if not records:
        nothing: Ints = np.empty(0, np.int64)
        return Polled(partition=nothing, offset=nothing, received_at=nothing, values=())
    fields = list(zip(*records, strict=True))
    counts = [len(found) for found in records_by_partition.values()]
    return Polled(
        partition=np.repeat(np.array([at.partition for at in records_by_partition], np.int64), counts),
        offset=np.array(fields[OFFSET], np.int64),
        received_at=np.array(fields[TIMESTAMP], np.int64) * 1000,
        values=fields[VALUE],
    )


# Positions in the client's ConsumerRecord, a named tuple.
OFFSET, TIMESTAMP, VALUE = 3, 4, 7
