"""Memory of partitions that leave and come back: kept where the group still stands at it, rebuilt anywhere else."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from storage.logs.log import TRANSACTIONS, Assignment
from tests.consumer.roads import Road
from tests.consumer.test_loop import count_all, send_all


@pytest.fixture
def uninterrupted(tmp_path: Path) -> Road:
    road = Road(tmp_path / "uninterrupted")
    send_all(road)
    road.consume(records=count_all())
    return road


def run(road: Road, reader: type["Rebalanced"]) -> list[Any]:
    """Decide everything with a rebalance on the way; what was logged of every partition taken up again."""
    loop = road.consumer(records=count_all(), at_once=20)
    loop.reader = reader(loop.reader)
    ends = {partition: road.log.bounds(TRANSACTIONS, partition)[1] for partition in range(road.settings.partitions)}
    loop.until = lambda _status: {at: state.next_offset for at, state in loop.decider.states.items()} == ends
    with capture_logs() as said:
        loop.run()
    loop.close()
    return [one for one in said if one["event"] == "partition_taken_up"][road.settings.partitions :]


def test_what_comes_straight_back_is_not_rebuilt(tmp_path: Path, uninterrupted: Road) -> None:
    road = Road(tmp_path / "rebalanced")
    send_all(road)

    again = run(road, Rebalanced)

    assert [(one["kept"], one["replayed"]) for one in again] == [(True, 0), (True, 0)]
    assert road.flags() == uninterrupted.flags()
    assert road.minutes() == uninterrupted.minutes()


def test_where_the_group_stands_elsewhere_memory_is_rebuilt(tmp_path: Path, uninterrupted: Road) -> None:
    road = Road(tmp_path / "set-back")
    send_all(road)

    again = run(road, SetBack)

    assert [one["kept"] for one in again] == [False, False]
    assert road.flags() == uninterrupted.flags()
    assert road.minutes() == uninterrupted.minutes()


def test_what_does_not_come_back_is_freed(tmp_path: Path) -> None:
    road = Road(tmp_path / "moved")
    send_all(road)
    loop = road.consumer(records=40, at_once=20)
    loop.run()
    loop.reader.assignment = lambda: Assignment(lost=(0, 1))  # type: ignore[method-assign] # nobody joins by the book here
    loop._polled()
    loop.reader.assignment = lambda: Assignment(gained=(1,), is_settled=True)  # type: ignore[method-assign]
    loop._polled()
    loop.close()

    assert (sorted(loop.decider.states), loop.resting._kept) == ([1], {})


def test_a_member_that_is_left_without_a_partition_keeps_no_memory(tmp_path: Path) -> None:
    road = Road(tmp_path)
    send_all(road)
    loop = road.consumer(records=40, at_once=20)
    loop.run()
    loop.reader.assignment = lambda: Assignment(lost=(0, 1))  # type: ignore[method-assign] # nobody joins by the book here
    loop._polled()
    kept = sorted(loop.resting._kept)
    loop.reader.assignment = lambda: Assignment(is_settled=True)  # type: ignore[method-assign]
    loop._polled()
    loop.close()

    assert (kept, loop.resting._kept) == ([0, 1], {})


class Rebalanced:
    """A reader whose group rebalances once, after two commits: everything leaves and comes straight back."""

    def __init__(self, reader: Any) -> None:
        self._reader, self._commits, self._told = reader, 0, False

    def commit(self, next_offsets: Any) -> None:
        self._commits += 1
        self._reader.commit(next_offsets)

    def assignment(self) -> Assignment:
        if self._commits == 2 and not self._told:
            self._told = True
            return Assignment(gained=(0, 1), lost=(0, 1), is_settled=True)
        answer: Assignment = self._reader.assignment()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class SetBack(Rebalanced):
    """The same, of a group whose offsets lie further back by then."""

    def committed(self, partition: int) -> int | None:
        offset: int | None = self._reader.committed(partition)
        return offset if offset is None or not self._told else max(0, offset - 3)
