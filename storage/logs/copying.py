"""Take a Kafka log into an embedded one, to decide it again without a server."""

from collections.abc import Callable, Iterator, Sequence

from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import Log, Record

TOLD_EVERY = 10_000


def import_topics(
    source: Log, target: EmbeddedLog, topics: Sequence[str], on_progress: Callable[[int], None] = lambda _records: None
) -> int:
    """Copy whole topics, as they are now, into a log that has none of them; how many records.

    Everything that decisions depend on stays: identity, partitions, offsets, append times, keys and values. `on_progress` is
    told how many records came since it was last told. Raises LogError.
    """
    return sum(_import_topic(source, target, topic, on_progress) for topic in topics)


def _import_topic(source: Log, target: EmbeddedLog, topic: str, on_progress: Callable[[int], None]) -> int:
    bounds = [source.bounds(topic, partition) for partition in range(source.partitions(topic))]
    target.adopt(topic, source.topic_id(topic), bounds)
    return sum(
        target.import_records(topic, _counted(source.read(topic, partition, first, end), on_progress))
        for partition, (first, end) in enumerate(bounds)
    )


def _counted(records: Iterator[Record], on_progress: Callable[[int], None]) -> Iterator[Record]:
    untold = 0
    for record in records:
        yield record
        untold += 1
        if untold == TOLD_EVERY:
            on_progress(untold)
            untold = 0
    on_progress(untold)
