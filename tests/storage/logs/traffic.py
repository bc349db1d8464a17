"""Sending and reading in tests, with deadlines."""

import time
from collections.abc import Callable, Iterable, Sequence

from storage.logs.log import GroupReader, Log, Record, Topic
from tests.services.server import wait_until

PARTITIONS = 3
DEADLINE_SECONDS = 60.0


def make(log: Log, topic: str, partitions: int = PARTITIONS) -> str:
    """Create a topic."""
    log.create([Topic(name=topic, partitions=partitions)])
    return topic


def publish(log: Log, topic: str, values: Iterable[bytes], key: bytes | None = b"user") -> list[tuple[int, int, int]]:
    """Send values under one key and flush; partition, offset and received_at of each, as acknowledged."""
    acknowledged: list[tuple[int, int, int]] = []
    publisher = log.publisher()
    for value in values:
        publisher.send(topic, key, value, lambda *place: acknowledged.append(place))
    publisher.close()
    return acknowledged


def publish_apart(log: Log, topic: str, values: Sequence[bytes]) -> list[int]:
    """Send values under one key at moments that the log can tell apart; received_at of each."""
    moments: list[int] = []
    publisher = log.publisher()
    for value in values:
        publisher.send(topic, b"user", value, lambda _partition, _offset, received_at: moments.append(received_at))
        publisher.flush()
        wait_until(lambda: time.time_ns() // 1000 > moments[-1] + 1000, "the next millisecond")
    publisher.close()
    return moments


def everything(log: Log, topic: str) -> list[Record]:
    """All records, partition by partition."""
    return [
        record
        for partition in range(log.partitions(topic))
        for record in log.read(topic, partition, log.bounds(topic, partition)[0])
    ]


def join(reader: GroupReader, partitions: int = PARTITIONS, start: int | None = 0) -> None:
    """Poll until the member has so many partitions more; `start` seeks each of them."""
    gained: set[int] = set()

    def is_complete() -> bool:
        assert len(reader.poll(100, 100)) == 0, "a gained partition delivered before seek"
        gained.update(reader.assignment().gained)
        return len(gained) == partitions

    wait_until(is_complete, f"{partitions} partitions are gained", DEADLINE_SECONDS)
    if start is not None:
        for partition in gained:
            reader.seek(partition, start)


def poll_values(reader: GroupReader, expected: int, max_records: int = 1_000) -> list[bytes | None]:
    """Poll until so many values came; each poll keeps to its limit."""
    values: list[bytes | None] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(values) < expected:
        assert time.monotonic() < deadline, f"{len(values)} of {expected} records were delivered"
        polled = reader.poll(200, max_records)
        assert len(polled) == len(polled.values) == len(polled.partition) == len(polled.received_at) <= max_records
        values.extend(polled.values)
    return values


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait with the deadline of these tests."""
    wait_until(condition, what, DEADLINE_SECONDS)
