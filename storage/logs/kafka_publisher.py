"""Appends to Kafka: idempotent, acknowledged by all, and alive again after an error that ruins the client."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError, MessageSizeTooLargeError, RetriableError

from fraud.errors import LogAwayError, LogError, PoisonedError
from storage.logs.kafka_connection import KafkaConnection
from storage.logs.log import ACKNOWLEDGE_SECONDS, MAX_BATCH_BYTES
from storage.logs.partitioning import Partitioner
from storage.logs.record_limits import check_record

OPTIONS: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "allow_auto_create_topics": False,
    # A record costs 20 µs, a request half a millisecond: 10 ms of patience fill batches, and no analyst notices them.
    "linger_ms": 10,
    "batch_size": 131_072,
    "max_request_size": 1_048_576,
    "metrics_enabled": False,
}
# The client keeps what it has not sent without any limit: we wait for the oldest beyond this many.
MAX_UNACKNOWLEDGED = 20_000
LOOK_EVERY = 256
CLOSE_SECONDS = 10.0
LEAVE_SECONDS = 1.0

log = structlog.get_logger()

OnAck = Callable[[int, int, int], None]


@dataclass(slots=True, eq=False)
class _Sent:
    """One record on its way, in the order of sending."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    on_ack: OnAck | None
    future: Any = field(default=None)


class KafkaPublisher:
    """Sends records in order, and knows which of them the log has not acknowledged.

    One error that cannot be retried (a record over the topic's limit, a right that is missing) poisons an idempotent client for
    ever: everything after it fails as well. Then the client is replaced and what is not acknowledged is sent again in its order,
    in halves where that fails again, until the records that are refused for their own sake are found; `flush` names the first.
    """

    def __init__(
        self, connection: KafkaConnection, partitions: Callable[[str], int], client: Callable[..., Any] = KafkaProducer
    ) -> None:
        """Connect; `partitions` looks up how many a topic has."""
        self._connection = connection
        self._count_partitions = partitions
        self._client = client
        self._partitions_by_topic: dict[str, int] = {}
        self._partitioner = Partitioner()
        self._pending: deque[_Sent] = deque()
        self._refused: list[LogError] = []
        self._producer = self._connected()

    def send(self, topic: str, key: bytes | None, value: bytes | None, on_ack: OnAck | None = None) -> None:
        """Hand over one record; `on_ack(partition, offset, received_at)` runs on the client's thread once the log has it."""
        check_record(topic, key, value)
        partition = self._partitioner.partition(key, self._partitions(topic))
        sent = _Sent(topic, partition, key, value, on_ack)
        self._hand_over(sent)
        self._pending.append(sent)
        if len(self._pending) % LOOK_EVERY == 0:
            self._forget_acknowledged(ACKNOWLEDGE_SECONDS)
            if len(self._pending) > MAX_UNACKNOWLEDGED:
                self._wait_for_oldest()

    def flush(self, seconds: float = ACKNOWLEDGE_SECONDS) -> None:
        """Wait until everything sent is acknowledged, for so many seconds where the log refuses nothing.

        Raises LogError naming the first record that the log refused (it is dropped), LogAwayError where some were not
        acknowledged in time (they are on their way again, and the next flush waits for them).
        """
        self._wait(self._pending, seconds)
        self._forget_acknowledged(seconds)
        if self._pending:
            raise LogAwayError(
                f"Kafka acknowledged all but {len(self._pending)} records, the first for {self._pending[0].topic}"
            )
        if self._refused:
            refused, self._refused = self._refused, []
            raise refused[0]

    def close(self) -> None:
        """Flush and let go."""
        try:
            self.flush()
        finally:
            self._let_go(CLOSE_SECONDS)

    def let_go(self) -> None:
        """Let go at once, whatever is not acknowledged; some of it may still arrive."""
        self._let_go(LEAVE_SECONDS)

    def _partitions(self, topic: str) -> int:
        count = self._partitions_by_topic.get(topic)
        if count is None:
            count = self._partitions_by_topic[topic] = self._count_partitions(topic)
        return count

    def _hand_over(self, sent: _Sent) -> None:
        try:
            sent.future = self._producer.send(sent.topic, sent.value, sent.key, partition=sent.partition)
        except KafkaError as error:
            raise self._connection.error(f"sending to {sent.topic}", error) from error
        if sent.on_ack is not None:
            sent.future.add_callback(partial(_acknowledge, sent.on_ack))

    def _forget_acknowledged(self, seconds: float) -> None:
        """Drop acknowledged records from the front; the first failed one makes us recover."""
        while self._pending and self._pending[0].future.is_done:
            if self._pending[0].future.failed():
                self._recover(seconds)
                return
            self._pending.popleft()

    def _wait_for_oldest(self) -> None:
        self._wait([self._pending[0]], ACKNOWLEDGE_SECONDS)
        self._forget_acknowledged(ACKNOWLEDGE_SECONDS)

    def _wait(self, records: Sequence[_Sent] | deque[_Sent], seconds: float) -> None:
        """Until every one of these is acknowledged or has failed."""
        deadline = time.monotonic() + seconds
        with suppress(KafkaError):  # it fails where a batch was split, too: only the records' own answers count
            self._producer.flush(seconds)
        for sent in records:
            if not sent.future.is_done:
                with suppress(KafkaError):
                    sent.future.get(max(0.0, deadline - time.monotonic()))
            if not sent.future.is_done:
                raise LogAwayError(f"Kafka does not acknowledge what was sent to {sent.topic}")

    def _recover(self, seconds: float) -> None:
        """Send everything again that is not acknowledged; what the log refuses for its own sake is put aside.

        Where that meets an outage, all of it stays pending: whoever flushes again goes on from here.
        """
        first = self._pending[0]
        error = first.future.exception
        if isinstance(error, AuthorizationError):
            raise self._connection.error(f"sending to {first.topic}", error) from error
        again = self._unacknowledged(self._pending, seconds)
        self._pending = deque(again)
        if isinstance(error, RetriableError):
            self._hand_over_all(again)
        else:
            self._replace(again[0])
            self._send_in_halves(again)
            self._pending.clear()

    def _send_in_halves(self, records: Sequence[_Sent]) -> None:
        """Send records in order to find which of them ruin the client; the others are acknowledged on return.

        Each step has all the time of a command: cut short, the search would begin at the whole again, and with brokers that
        are slow never end.
        """
        self._hand_over_all(records)
        failed = self._unacknowledged(records, ACKNOWLEDGE_SECONDS)
        if not failed:
            return
        if isinstance(failed[0].future.exception, RetriableError):  # the brokers are away: no fault of the record
            raise LogAwayError(f"Kafka does not acknowledge what was sent to {failed[0].topic}")
        self._replace(failed[0])
        if len(failed) == 1:
            self._refuse(failed[0])
            return
        middle = len(failed) // 2
        self._send_in_halves(failed[:middle])
        self._send_in_halves(failed[middle:])

    def _hand_over_all(self, records: Sequence[_Sent]) -> None:
        for sent in records:
            self._hand_over(sent)

    def _unacknowledged(self, records: Sequence[_Sent] | deque[_Sent], seconds: float) -> list[_Sent]:
        self._wait(records, seconds)
        return [sent for sent in records if sent.future.failed()]

    def _replace(self, failed: _Sent) -> None:
        log.warning("publisher_replaced", topic=failed.topic, error=type(failed.future.exception).__name__)
        fresh = self._connected()  # first: where it fails, the next try finds everything as it was
        self._let_go(CLOSE_SECONDS)
        self._producer = fresh

    def _refuse(self, sent: _Sent) -> None:
        size = len(sent.key or b"") + len(sent.value or b"")
        reason = type(sent.future.exception).__name__
        self._pending.remove(sent)
        self._refused.append(
            PoisonedError(
                f"Kafka refused a record of {size} bytes for {sent.topic}: {reason}{_remedy(sent)}; everything else was sent"
            )
        )

    def _connected(self) -> Any:
        with self._connection.translated("connecting"):
            return self._client(**self._connection.options(), **OPTIONS)

    def _let_go(self, seconds: float) -> None:
        """The client may take that long twice: for what it holds, and for its thread."""
        try:
            self._producer.close(timeout=seconds)
        except KafkaError as error:
            log.warning("publisher_not_closed", error=type(error).__name__)


def _remedy(sent: _Sent) -> str:
    is_too_large = isinstance(sent.future.exception, MessageSizeTooLargeError)
    return f" (set max.message.bytes={MAX_BATCH_BYTES} on the topic)" if is_too_large else ""


def _acknowledge(on_ack: OnAck, metadata: Any) -> None:
    on_ack(metadata.partition, metadata.offset, metadata.timestamp * 1000)
