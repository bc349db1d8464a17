"""A partition's state comes back whole, from whatever is left of it; what is lost is said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.checkpoints import SCHEMA
from consumer.loop import Loop
from consumer.restoring import CHUNK, CHUNK_BYTES, FAR, chunks
from fraud.decision import micros
from fraud.errors import FailpointError, StateError
from fraud.schema import Transaction
from storage.failpoints import arm, disarm
from storage.logs.log import TRANSACTIONS, Record
from tests.builders import NOON, transaction
from tests.consumer.roads import Road
from tests.consumer.test_checkpoints import of_format

DAY = timedelta(days=1)
RARE_HOURS = """
version: 1
default_currency: EUR
rules:
  - {id: rare-hour, kind: unusual_hour, share_below: 10 %}
"""


def without_checkpoints(road: Road) -> None:
    for file in Path(road.settings.data_dir).glob("checkpoints/*/*"):
        file.unlink()


def payments(count: int, first: int = 0) -> list[Transaction]:
    return [
        transaction(transaction_id=f"t-{number}", after=number, amount=float(number % 9 * 20), channel="pos")
        for number in range(first, first + count)
    ]


def committed_at(road: Road, offset: int) -> Loop:
    """A consumer whose group stands at an offset of partition 0."""
    loop = road.consumer(records=1)
    loop.reader.commit({0: offset})
    return loop


def expire(road: Road, first: int) -> None:
    """Let the log begin later, as retention does."""
    with road.log._file.transaction() as connection:
        connection.execute(
            "UPDATE partition SET first_offset = ? WHERE topic = (SELECT id FROM topic WHERE name = ?)",
            (first, TRANSACTIONS),
        )


def test_local_hours_come_back_without_a_checkpoint(tmp_path: Path) -> None:
    """The hour of an online payment is told by the card-present one before it."""

    def road_in(folder: Path) -> Road:
        road = Road(folder, partitions=1)
        road.policy(RARE_HOURS)
        at_home = transaction(transaction_id="home", event_time=NOON + 26 * DAY, channel="pos")
        online = [
            transaction(
                transaction_id=f"o-{hour}", event_time=NOON + 27 * DAY + timedelta(minutes=hour), channel="online"
            )
            for hour in range(25)
        ]
        back = transaction(transaction_id="back", event_time=NOON + 54 * DAY, channel="pos")
        night = transaction(
            transaction_id="night", event_time=NOON + 55 * DAY + timedelta(hours=9), channel="pos", amount=5.0
        )
        for payment in [at_home, *online, back, night]:
            road.clock = int(payment.event_time.timestamp() * 1e6) - 1_000_000
            road.send([payment])
        return road

    whole, stopped = road_in(tmp_path / "whole"), road_in(tmp_path / "stopped")
    whole.consume(records=28)

    stopped.consume(records=27, at_once=27)
    without_checkpoints(stopped)
    stopped.consume(records=1)

    assert [flag["transaction"]["transaction_id"] for flag in whole.flags()] == ["night"]
    assert stopped.flags() == whole.flags()


def test_an_empty_partition_begins_at_its_beginning(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    loop = road.consumer(records=0)

    loop.run()
    loop.close()

    restored = loop.status.restored[0]
    assert (restored.next_offset, restored.replayed, restored.degraded) == (0, 0, None)


def test_a_partition_of_dead_letters_alone_goes_on_where_it_stood(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send([b"broken"] * 250)
    road.consume(records=250)
    without_checkpoints(road)
    road.send([*[b"broken"] * 3, transaction(amount=500.0, after=254)])

    loop = road.consume(records=4)

    assert loop.status.restored[0].next_offset == 250
    assert loop.status.restored[0].degraded is None
    assert (len(road.flags()), len(road.dead())) == (1, 253)


def test_the_way_back_over_many_dead_letters_is_taken_in_growing_steps(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send([*payments(1), *[b"broken"] * 20_000], seconds=0.001)
    loop = committed_at(road, 20_001)
    read: list[int] = []
    breaths: list[None] = []
    source: Any = Reads(road.log, read)
    restorer = replace(loop.restorer, source=source, alive=lambda: breaths.append(None))

    found = restorer._last_event_time(0, 20_001, 0)
    loop.close()

    assert found == micros(NOON)
    assert read[:3] == [100, 200, 400]
    assert max(read) == FAR
    assert sum(read) == 20_001
    assert len(read) == len(breaths) == 9


@pytest.mark.parametrize(
    ("sizes", "portions"),
    [
        pytest.param([], [], id="none"),
        pytest.param([1] * (CHUNK + 1), [CHUNK, 1], id="small ones by count"),
        pytest.param([CHUNK_BYTES - 1, 1, 1], [2, 1], id="large ones by size"),
        pytest.param([CHUNK_BYTES + 1] * 2, [1, 1], id="each too large alone"),
    ],
)
def test_a_portion_of_the_log_is_no_larger_than_memory_holds(sizes: list[int], portions: list[int]) -> None:
    records = [Record(0, offset, 0, None, bytes(size)) for offset, size in enumerate(sizes)]

    assert [len(portion) for portion in chunks(records)] == portions


class Reads:
    """A log that notes how many offsets it is asked for at once."""

    def __init__(self, log: Any, read: list[int]) -> None:
        self._log, self._read = log, read

    def read(self, topic: str, partition: int, start: int, end: int) -> Any:
        self._read.append(end - start)
        return self._log.read(topic, partition, start, end)


def test_a_group_that_stands_beyond_the_end_of_the_log_is_refused(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(5))
    loop = committed_at(road, 9)

    with pytest.raises(StateError, match=r"ends at offset 5, the group stands at 9: .*truncated"):
        loop.run()

    loop.close()


def test_payments_that_expired_undecided_are_not_passed_over(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(20))
    expire(road, 8)
    loop = committed_at(road, 5)

    with pytest.raises(StateError, match=r"begins at offset 8, the group stands at 5: .*expired"):
        loop.run()

    loop.close()


def test_a_log_that_no_longer_reaches_back_is_said(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(20))
    expire(road, 8)
    loop = committed_at(road, 12)
    loop.until = lambda status: status.seen >= 8

    loop.run()
    loop.close()

    restored = loop.status.restored[0]
    assert (restored.next_offset, restored.replayed) == (12, 4)
    assert str(restored.degraded) == (
        "offsets 0 to 8 are missing: the log no longer has them and the archive begins later"
    )


def test_a_checkpoint_from_before_the_beginning_of_the_log_is_not_joined_to_a_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(20))
    road.consume(records=5, at_once=5)
    expire(road, 8)
    loop = committed_at(road, 12)
    loop.until = lambda status: status.seen >= 8

    loop.run()
    loop.close()

    restored = loop.status.restored[0]
    assert (restored.from_checkpoint, restored.replayed) == (None, 4)
    assert restored.degraded is not None
    assert "offset 5 of partition 0: the log begins at 8" in capsys.readouterr().out


def test_without_a_committed_offset_the_checkpoint_says_where_to_go_on(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(20))
    loop = road.consume(records=10, at_once=10)
    (file,) = Path(road.settings.data_dir).glob("checkpoints/*/*")
    forget_the_group(road)

    loop = road.consume(records=10)

    assert loop.status.restored[0].next_offset == loop.status.restored[0].from_checkpoint == 10
    assert file.name.endswith(f"{10:020}.checkpoint")


def forget_the_group(road: Road) -> None:
    """As a broker does with the offsets of a group that was away for a week."""
    with road.log._file.transaction() as connection:
        connection.execute("DELETE FROM committed")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(lambda file: of_format(file, SCHEMA - 1), f"older format {SCHEMA - 1}", id="an older format"),
        pytest.param(
            lambda file: file.write_bytes(file.read_bytes()[:-1]), "damaged or cut short", id="a damaged file"
        ),
    ],
)
def test_what_cannot_be_used_is_said_and_the_log_rebuilds_it(
    tmp_path: Path, harm: Callable[[Path], object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, harmed = Road(tmp_path / "whole", partitions=1), Road(tmp_path / "harmed", partitions=1)
    for road in (whole, harmed):
        road.policy()
        road.send(payments(20))
    whole.consume(records=20)
    harmed.consume(records=10, at_once=10)
    (file,) = Path(harmed.settings.data_dir).glob("checkpoints/*/*")
    harm(file)
    capsys.readouterr()

    loop = harmed.consume(records=10)

    assert (loop.status.restored[0].from_checkpoint, loop.status.restored[0].replayed) == (None, 10)
    assert "checkpoint_skipped" in (lines := capsys.readouterr().out)
    assert said in lines
    assert (harmed.flags(), harmed.minutes()) == (whole.flags(), whole.minutes())


@pytest.mark.parametrize("time", [1, 2], ids=["once the checkpoint is loaded", "after a chunk of the replay"])
def test_half_a_restored_state_is_none(tmp_path: Path, time: int) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(20))
    road.consume(records=10, at_once=10)
    loop = committed_at(road, 12)
    arm(f"during_restore=raise@{time}")

    try:
        with pytest.raises(FailpointError):
            loop.run()
    finally:
        disarm()
        loop.close()

    assert loop.decider.states == {}
    assert road.consume(records=8).status.restored[0].replayed == 2


def test_how_long_the_replay_took_is_told(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(20))
    loop = committed_at(road, 12)
    ticks = iter(range(100))
    restorer = replace(loop.restorer, monotonic=lambda: float(next(ticks)))

    restored = restorer.restore(0, 12)
    loop.close()

    assert (restored.replayed, restored.seconds) == (12, 1.0)
