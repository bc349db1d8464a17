"""A release that is followed by another brings every partition to where the other goes on, and only then leaves."""

from pathlib import Path

import pytest

from consumer.handing_over import HandOver
from consumer.loop import Loop
from fraud.errors import PolicyError
from fraud.schema import Transaction
from storage.archive import Archive
from storage.logs.log import TRANSACTIONS
from storage.policies import read_timeline
from tests.builders import transaction
from tests.consumer.roads import Road
from tests.consumer.test_loop import publish_for_another_engine


def payments(first: int, end: int, user: str | None = None) -> list[Transaction]:
    return [
        transaction(transaction_id=f"t-{number}", user_id=user or f"u-{number % 20}", after=number)
        for number in range(first, end)
    ]


def handed_over(folder: Path, before: list[Transaction], after: list[Transaction]) -> Road:
    """A log whose policy goes over to another engine in the middle."""
    road = Road(folder)
    road.policy()
    road.send(before)
    road.clock += 1_000_000
    publish_for_another_engine(road)
    road.clock += 10_000_000
    road.send(after)
    return road


def leaves(loop: Loop) -> dict[int, int | None]:
    """Where it has committed when it leaves."""
    loop.hand_over = HandOver(patience=0.0)
    try:
        with pytest.raises(PolicyError, match="engine 999"):
            loop.run()
        return {partition: loop.reader.committed(partition) for partition in range(2)}
    finally:
        loop.close()


def test_a_partition_that_is_far_behind_is_decided_before_the_consumer_leaves(tmp_path: Path) -> None:
    road = handed_over(tmp_path, payments(0, 60), payments(60, 160))
    ruled = [first_ruled(road, partition) for partition in range(2)]

    committed = leaves(road.consumer(records=10_000, at_once=3))

    assert [committed[partition] for partition in range(2)] == ruled


def test_the_archive_leaves_nothing_that_the_release_which_follows_cannot_decide(tmp_path: Path) -> None:
    road = handed_over(tmp_path, payments(0, 60), payments(60, 160))
    ruled = [first_ruled(road, partition) for partition in range(2)]

    committed = leaves(road.archiver("archive", records=10_000, at_once=3))

    archive = Archive(road.archive_folder("archive"))
    assert [committed[partition] for partition in range(2)] == ruled
    assert [archive.files(partition)[-1].end_offset for partition in range(2)] == ruled


def test_a_partition_without_payments_under_the_other_policy_is_archived_to_its_end(tmp_path: Path) -> None:
    road = handed_over(tmp_path, payments(0, 60), payments(60, 80, user="u-1"))
    ends = [road.log.bounds(TRANSACTIONS, partition)[1] for partition in range(2)]
    silent = next(partition for partition in range(2) if first_ruled(road, partition) == ends[partition])

    committed = leaves(road.archiver("archive", records=10_000, at_once=3))

    assert committed[silent] == ends[silent] > 0


def test_clocks_of_brokers_may_differ_by_the_patience() -> None:
    hand_over = HandOver(patience=10.0, partitions={0}, since=100.0)

    assert not hand_over.is_over({0: 5, 1: 7}, {1: 7}, now=109.9)
    assert hand_over.is_over({0: 5, 1: 7}, {1: 7}, now=110.0)
    assert not hand_over.is_over({0: 5, 1: 7}, {1: 8}, now=110.0)
    assert hand_over.is_over({0: 5}, {}, now=100.0), "nobody to wait for"


def first_ruled(road: Road, partition: int) -> int:
    """Offset of the first payment that the other engine decides; the end where there is none."""
    effective = int(read_timeline(road.log).effective_from[-1])
    return road.log.offset_at(TRANSACTIONS, partition, effective)
