"""When the archive of a road has whole files: a file ends with the five minutes, once a later payment of its partition was seen.

A run of a few seconds seldom crosses such a boundary, so a few payments more are sent once it has passed.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from consumer.archiving import archive_group
from storage.logs.log import TRANSACTIONS, Log
from storage.ranges import MINUTES
from tests.road.again import records_in
from tests.road.kafka_road import KafkaRoad
from tests.services.server import wait_until

PERIOD: Final = MINUTES * 60_000_000
"""Microseconds."""
A_FEW: Final = ("--tps", "100", "--duration", "4s")
"""Of `fraud produce`: enough users for every partition to get some."""
TOLD_EVERY: Final = 60.0


def send_what_ends_files(road: KafkaRoad, say: Callable[[str], None]) -> int:
    """Where a partition has no whole file yet, wait for the boundary and send a few payments; how many messages that makes."""
    spans = list(_spans(road.log).values())
    if all(_period(first) < _period(last) for first, last in spans):
        return 0
    _wait((max(_period(last) for _first, last in spans) + 1) * PERIOD / 1e6, say)
    before = records_in(road.log)
    say(road.commands.run("produce", *A_FEW))
    road.wait_until_decided()
    return records_in(road.log) - before


def wait_for_whole_files(road: KafkaRoad) -> int:
    """Until the archive has written every file that the log ends; up to where, summed over partitions."""
    ends = {partition: _whole_to(road.log, partition, last) for partition, (_, last) in _spans(road.log).items()}
    group = archive_group(road.settings.group)

    def is_archived() -> bool:
        committed = road.log.committed(TRANSACTIONS, group)
        return all(committed.get(partition, 0) >= end for partition, end in ends.items())

    road.wait_until(is_archived, "the archive to write its files")
    return sum(ends.values())


def _spans(log: Log) -> dict[int, tuple[int, int]]:
    """Append times of the first and the last payment of each partition that has any, microseconds."""
    bounds = {partition: log.bounds(TRANSACTIONS, partition) for partition in range(log.partitions(TRANSACTIONS))}
    return {
        partition: (_received_at(log, partition, first), _received_at(log, partition, end - 1))
        for partition, (first, end) in bounds.items()
        if first < end
    }


def _received_at(log: Log, partition: int, offset: int) -> int:
    return next(log.read(TRANSACTIONS, partition, offset, offset + 1)).received_at


def _whole_to(log: Log, partition: int, last: int) -> int:
    """Offset of the first payment of the five minutes that the newest one lies in."""
    return log.offset_at(TRANSACTIONS, partition, _period(last) * PERIOD)


def _period(received_at: int) -> int:
    return received_at // PERIOD


def _wait(moment: float, say: Callable[[str], None]) -> None:
    """Until a moment, seconds since the epoch, saying now and then how long that is."""
    at = f"{datetime.fromtimestamp(moment, UTC):%H:%M} UTC"
    while (left := moment - time.time()) > 0:
        say(f"no file of the archive ends before {at}: a few payments more in {left:.0f} s")
        until = min(moment, time.time() + TOLD_EVERY)
        wait_until(lambda until=until: time.time() >= until, at, 2 * TOLD_EVERY, every=0.5)  # type: ignore[misc]
