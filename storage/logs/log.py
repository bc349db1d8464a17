"""The log: what the product needs of Kafka, as small protocols. Two implementations: `kafka_log` and `embedded_log`.

One contract suite in `tests/storage/logs/` runs over both. Topics hold partitions; a record has an offset that never changes and
an append time (`received_at`) given by the log. Records are raw bytes: decoding is the reader's work, so one bad record can
never stop a poll.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fraud.batch import Polled

TRANSACTIONS = "transactions"
LABELS = "labels"
USERS = "users"
POLICIES = "policies"
FLAGS = "flags"
DEAD_LETTERS = "transactions.dlq"
ALL_TOPICS = (TRANSACTIONS, LABELS, USERS, POLICIES, FLAGS, DEAD_LETTERS)

ACKNOWLEDGE_SECONDS = 180.0
"""How long a command waits for acknowledgements."""
MAX_RECORD_BYTES = 1_000_000
"""Key and value together; what is larger is refused before it is sent. A dead letter must stay below it."""
MAX_BATCH_BYTES = 1_048_588
"""What a broker must take at once: such a record with all that goes with it. Kafka's own default of `max.message.bytes`."""


class Record(NamedTuple):
    """One record as the log holds it."""

    partition: int
    offset: int
    received_at: int
    """Append time, microseconds since the epoch (whole milliseconds, as Kafka keeps them)."""
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic and how it is kept."""

    name: str
    partitions: int
    compacted: bool = False
    keep_for_ever: bool = False
    keep_days: int | None = None
    """How long records are kept; None leaves it to the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong with a log, and what to do about it."""

    says: str
    """One line."""
    forbids_start: bool = False
    """Whether no consumer may start: what it decided would not follow from the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a group gave this member since it was last asked; both lists may be empty.

    A partition in both was lost and came back: what was known of it is void.
    """

    gained: Sequence[int] = ()
    lost: Sequence[int] = ()
    is_settled: bool = False
    """Whether a rebalance ended: what was lost and is not gained by now is another member's, also where nothing is gained."""


class Publisher(Protocol):
    """Appends records, idempotent and acknowledged by all; the partition follows from the key (murmur2, as Kafka's own clients do)."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        on_ack: Callable[[int, int, int], None] | None = None,
    ) -> None:
        """Hand over one record; `on_ack(partition, offset, received_at)` runs once the log has it.

        Raises LogError for a record over the log's size limit, or without key and value (nothing was sent, the publisher
        stays usable). `on_ack` may run on another thread.
        """
        ...

    def flush(self, seconds: float = ACKNOWLEDGE_SECONDS) -> None:
        """Wait until everything sent is acknowledged. Raises LogError naming the first record that the log refused.

        LogAwayError where an acknowledgement does not come within so many seconds: what was sent stays on its way, and the next
        flush waits for it. A poisoned client is replaced inside: what was not acknowledged is sent again in its order.
        """
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...

    def let_go(self) -> None:
        """Let go at once, whatever is not acknowledged: for those who committed nothing that rests on it."""
        ...


class GroupReader(Protocol):
    """One member of a consumer group on one topic. Positions are explicit: the reader never seeks or commits by itself."""

    def poll(self, timeout_ms: int, max_records: int) -> Polled:
        """Records of assigned, unpaused, positioned partitions; empty after the timeout. Keeps the membership alive."""
        ...

    def assignment(self) -> Assignment:
        """What changed since the last call. A gained partition delivers nothing until `seek`."""
        ...

    def committed(self, partition: int) -> int | None:
        """The group's committed offset; None when nothing was committed."""
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Deliver this partition from `offset` on; nothing happens when it moved away meanwhile.

        An offset that the log does not hold raises LogError at the next `poll`.
        """
        ...

    def commit(self, next_offsets: Mapping[int, int]) -> None:
        """Commit explicit offsets (the next to read) and wait for the answer.

        A partition that moved away meanwhile is left out: whoever has it now does that work again, and `assignment` says so.
        Raises LogError when fenced by a new process of the same static member, or without an answer.
        """
        ...

    def pause(self) -> None:
        """Deliver nothing, keep the membership."""
        ...

    def resume(self) -> None:
        """Deliver again."""
        ...

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """The offset after the last record of each, for lag."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Log(Protocol):
    """A connection to one log."""

    embedded: bool

    def topic_id(self, topic: str) -> str:
        """Identity of cluster and topic: a topic made anew under the old name has another one."""
        ...

    def create(self, topics: Sequence[Topic]) -> None:
        """Create what is missing, with `LogAppendTime`; existing topics are left as they are."""
        ...

    def partitions(self, topic: str) -> int:
        """How many partitions. Raises LogError for a missing topic, naming `fraud init`."""
        ...

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset still kept, and the offset after the last record."""
        ...

    def offset_at(self, topic: str, partition: int, received_at: int) -> int:
        """Offset of the first record appended at or after a moment (microseconds); the end when there is none."""
        ...

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        """Records from `start` up to (not including) `end`, at most to the end as it is now; no group, nothing committed.

        Raises LogError when the log does not hold `start`: truncated, or expired.
        """
        ...

    def committed(self, topic: str, group: str) -> dict[int, int]:
        """The offsets that a group has committed, by partition, without joining it; empty where it has committed nothing."""
        ...

    def publisher(self) -> Publisher:
        """A new publisher."""
        ...

    def group_reader(self, topic: str, group: str, member: str | None = None) -> GroupReader:
        """Join a group; `member` makes a static member (`group.instance.id`)."""
        ...

    def problems(self) -> list[Problem]:
        """What an operator should know about this log; empty when all is well."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...
