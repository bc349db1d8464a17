"""The log in production: Apache Kafka through kafka-python, whose every trap met here is named where it is avoided."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import GroupIdNotFoundError, KafkaError, TopicAlreadyExistsError, for_code

from fraud.errors import LogAwayError, LogError
from storage.logs.kafka_connection import KafkaConnection, KafkaSecurity
from storage.logs.kafka_publisher import KafkaPublisher
from storage.logs.kafka_reader import KafkaGroupReader
from storage.logs.kafka_topics import misconfigured
from storage.logs.log import ALL_TOPICS, MAX_BATCH_BYTES, Problem, Record, Topic

UNKNOWN_TOPIC = 3
READ_TIMEOUT_MS = 30_000


class KafkaLog:
    """A connection to Kafka; clients are opened when they are first needed. Safe to share between threads."""

    embedded = False

    def __init__(self, bootstrap: str, security: KafkaSecurity | None = None, patience_ms: int = 15_000) -> None:
        """Remember the address (host:port, several with commas); nothing is opened yet."""
        self._connection = KafkaConnection(
            bootstrap=bootstrap, security=security or KafkaSecurity(), patience_ms=patience_ms
        )
        self._lock = threading.Lock()
        self._idle: list[Any] = []

    def topic_id(self, topic: str) -> str:
        """Cluster id and topic id (KIP-516)."""
        described = self._described(topic)
        with self._connection.translated("asking for the cluster"):
            cluster = self._admin.describe_cluster()
        return f"{cluster['cluster_id']}.{described['topic_id']}"

    def create(self, topics: Sequence[Topic]) -> None:
        """Create what is missing, with `LogAppendTime`; existing topics are left as they are."""
        with self._connection.translated("creating topics"):
            known = set(self._admin.list_topics())
            missing = [topic for topic in topics if topic.name not in known]
            for topic in missing:
                self._create(topic)
            self._admin.wait_for_topics([topic.name for topic in missing])

    def partitions(self, topic: str) -> int:
        """How many partitions. Raises LogError for a missing topic, naming `fraud init`."""
        return len(self._described(topic)["partitions"])

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset still kept, and the offset after the last record."""
        self._described(topic)
        at = TopicPartition(topic, partition)
        with self._consumer() as consumer, self._connection.translated(f"asking for the bounds of {topic}-{partition}"):
            return consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]

    def offset_at(self, topic: str, partition: int, received_at: int) -> int:
        """Offset of the first record appended at or after a moment (microseconds); the end when there is none."""
        self._described(topic)
        at = TopicPartition(topic, partition)
        whole_ms = max(0, -(-received_at // 1000))
        with self._consumer() as consumer, self._connection.translated(f"asking {topic}-{partition} for a moment"):
            found = consumer.offsets_for_times({at: whole_ms})[at]
            return int(consumer.end_offsets([at])[at] if found is None else found.offset)

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        """Records from `start` up to (not including) `end`, at most to the end as it is now."""
        first, log_end = self.bounds(topic, partition)
        if not first <= start <= log_end:
            raise LogError(f"{topic}-{partition} holds offsets {first} to {log_end}, not {start}: truncated or expired")
        stop = log_end if end is None else min(end, log_end)
        with self._consumer() as consumer, self._connection.translated(f"reading {topic}-{partition}"):
            yield from _records(consumer, TopicPartition(topic, partition), start, stop)

    def committed(self, topic: str, group: str) -> dict[int, int]:
        """The offsets that a group has committed, by partition, without joining it."""
        self._described(topic)
        with self._connection.translated(f"asking for the offsets of group {group}"):
            try:
                found = self._admin.list_group_offsets(group)[group]
            except GroupIdNotFoundError:  # as a broker of KIP-848 says of a group that never was
                return {}
        return {at.partition: place.offset for at, place in found.items() if at.topic == topic and place.offset >= 0}

    def publisher(self) -> KafkaPublisher:
        """A new publisher."""
        return KafkaPublisher(self._connection, self.partitions)

    def group_reader(self, topic: str, group: str, member: str | None = None) -> KafkaGroupReader:
        """Join a group; `member` makes a static member (`group.instance.id`)."""
        self._described(topic)
        return KafkaGroupReader(self._connection, topic, group, member)

    def problems(self) -> list[Problem]:
        """What an operator should know: brokers that do not answer, topics missing or kept in a way that breaks promises."""
        try:
            known = set(self._admin.list_topics())
            configs = self._configs([topic for topic in ALL_TOPICS if topic in known])
        except LogError as error:
            return [Problem(says=str(error))]
        except KafkaError as error:
            return [Problem(says=str(self._connection.error("asking for topics", error)))]
        missing = [topic for topic in ALL_TOPICS if topic not in known]
        return [
            *(Problem(says=f"topic `{topic}` is missing: run `fraud init`", forbids_start=True) for topic in missing),
            *misconfigured(configs),
        ]

    def close(self) -> None:
        """Let go of every connection."""
        with self._lock:
            idle, self._idle = self._idle, []
        for consumer in idle:
            consumer.close()
        if "_admin" in self.__dict__:
            self._admin.close()

    @cached_property
    def _admin(self) -> Any:
        with self._connection.translated("connecting"):
            return KafkaAdminClient(**self._connection.options())

    def _described(self, topic: str) -> dict[str, Any]:
        with self._connection.translated(f"asking for topic {topic}"):
            described: dict[str, Any] = self._admin.describe_topics([topic])[0]
        if described["error_code"] == UNKNOWN_TOPIC:
            raise LogError(f"Kafka at {self._connection.bootstrap} has no topic `{topic}`: run `fraud init`")
        if described["error_code"] != 0:
            raise self._connection.error(f"asking for topic {topic}", for_code(described["error_code"])())
        return described

    def _create(self, topic: Topic) -> None:
        try:
            self._admin.create_topics({topic.name: {"num_partitions": topic.partitions, "configs": _kept(topic)}})
        except TopicAlreadyExistsError:  # somebody was faster
            return

    def _configs(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        answer = self._admin.describe_configs(resources, config_filter="all")["topic"] if topics else {}
        return {topic: {key: str(config["value"]) for key, config in found.items()} for topic, found in answer.items()}

    @contextmanager
    def _consumer(self) -> Iterator[Any]:
        """A consumer without a group, for one use; kept open for the next one unless it was left in the middle."""
        with self._lock:
            consumer = self._idle.pop() if self._idle else None
        if consumer is None:
            with self._connection.translated("connecting"):
                consumer = KafkaConsumer(**self._connection.options(), **READING)
        try:
            yield consumer
        except BaseException:
            consumer.close()
            raise
        with self._lock:
            self._idle.append(consumer)


def _kept(topic: Topic) -> dict[str, str]:
    # Said for every topic: the broker's default may be smaller than a flag.
    configs = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(MAX_BATCH_BYTES)}
    if topic.compacted:
        configs["cleanup.policy"] = "compact"
    if topic.keep_for_ever:
        configs["retention.ms"] = "-1"
    elif topic.keep_days is not None:
        configs["retention.ms"] = str(topic.keep_days * 86_400_000)
    return configs


READING = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}


def _records(consumer: Any, at: TopicPartition, start: int, stop: int) -> Iterator[Record]:
    consumer.assign([at])
    consumer.seek(at, start)
    # The position, not the last record, says how far we are: compaction and control records leave gaps.
    while consumer.position(at) < stop:
        before = consumer.position(at)
        for record in consumer.poll(READ_TIMEOUT_MS, max_records=10_000).get(at, ()):
            if record.offset >= stop:
                return
            yield Record(at.partition, record.offset, record.timestamp * 1000, record.key, record.value)
        if consumer.position(at) == before:
            raise LogAwayError(f"Kafka does not deliver {at.topic}-{at.partition} from offset {before}")
