"""The same log once more, without any server: imported into an embedded log and decided by one consumer."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cli.connect import open_log, open_store, topics
from cli.consume import build
from cli.settings import Settings
from storage.logs.copying import import_topics
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import POLICIES, TRANSACTIONS, Log
from storage.policies import read_timeline
from tests.road.results import Results, results_of

BEFORE = "before the first policy"


def imported(source: Log, folder: Path, on_progress: Callable[[int], None] = lambda _records: None) -> EmbeddedLog:
    """Payments and policies of a log, copied into an embedded one that can be decided; the folder must be new.

    Where checkpoints of the same log lie in it already, a consumer would go on from there.
    """
    folder.mkdir()
    target = EmbeddedLog(folder / "log")
    import_topics(source, target, [TRANSACTIONS, POLICIES], on_progress)
    target.create(topics(Settings(partitions=target.partitions(TRANSACTIONS))))
    return target


def decide_again(folder: Path, group: str) -> Results:
    """One consumer with a SQLite store over the embedded log in a folder, from the beginning to the end."""
    settings = Settings(
        log=f"embedded:{folder}/log", store=f"sqlite:///{folder}/flags.db", data_dir=str(folder), group=group
    )
    log, store = open_log(settings), open_store(settings)
    store.prepare()
    loop = build(settings, log, store, watch=False)
    waiting = records_in(log)
    loop.until = lambda status: status.seen >= waiting
    try:
        loop.run()
        return results_of(store, log.topic_id(TRANSACTIONS), group)
    finally:
        loop.close()
        store.close()
        log.close()


def records_in(log: Log, topic: str = TRANSACTIONS) -> int:
    """How many records a topic holds, over all partitions."""
    bounds = [log.bounds(topic, partition) for partition in range(log.partitions(topic))]
    return sum(end - first for first, end in bounds)


def span(log: Log) -> tuple[int, int]:
    """When the first and the last payment were appended, microseconds since the epoch."""
    bounds = [(partition, *log.bounds(TRANSACTIONS, partition)) for partition in range(log.partitions(TRANSACTIONS))]
    places = [(partition, place) for partition, first, end in bounds if first < end for place in (first, end - 1)]
    times = [next(log.read(TRANSACTIONS, partition, place)).received_at for partition, place in places]
    return min(times), max(times)


def payments_by_policy(log: Log) -> Counter[str]:
    """How many payments each policy rules, by its hash: what the log alone fixes."""
    timeline, found = read_timeline(log), Counter[str]()
    for partition in range(log.partitions(TRANSACTIONS)):
        first, end = log.bounds(TRANSACTIONS, partition)
        times = [record.received_at for record in log.read(TRANSACTIONS, partition, first, end)]
        ruling = timeline.at(np.maximum.accumulate(np.array(times, np.int64)))
        found.update(BEFORE if index < 0 else timeline.policies[index].hash for index in ruling.tolist())
    return found
