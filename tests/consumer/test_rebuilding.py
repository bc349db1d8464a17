"""Where the log no longer reaches back, memory comes from the archive; what is in neither is said, as a range of offsets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.loop import Loop
from consumer.rebuilding import Missing, still_missing
from storage.archive import Archive
from storage.logs.log import TRANSACTIONS
from tests.builders import transaction
from tests.consumer.half_hours import EVERYTHING, half_hour
from tests.consumer.roads import Road

DECIDED = 70


@pytest.fixture
def uninterrupted(tmp_path: Path) -> list[dict[str, Any]]:
    road = half_hour(tmp_path / "uninterrupted")
    road.consume(records=EVERYTHING)
    return road.flags()


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """A consumer has decided most of it, then its checkpoints and that part of the log were lost; an archive has it all."""
    road = half_hour(tmp_path / "road")
    road.archive("kept", records=EVERYTHING)
    (Path(road.settings.data_dir) / "decisions").symlink_to(road.archive_folder("kept") / "decisions")
    loop = road.consume(records=DECIDED, at_once=10)
    expire(road, {partition: state.next_offset for partition, state in loop.decider.states.items()})
    for file in Path(road.settings.data_dir).glob("checkpoints/*/*"):
        file.unlink()
    return road


def expire(road: Road, firsts: dict[int, int]) -> None:
    """Let the log begin later, as retention does."""
    with road.log._file.transaction() as connection:
        for partition, first in firsts.items():
            connection.execute(
                "UPDATE partition SET first_offset = ? WHERE partition = ? "
                "AND topic = (SELECT id FROM topic WHERE name = ?)",
                (first, partition, TRANSACTIONS),
            )


def went_on(road: Road) -> Loop:
    loop = road.consume(records=EVERYTHING - DECIDED)
    assert all(restored.from_checkpoint is None for restored in loop.status.restored.values())
    return loop


def test_memory_from_the_archive_gives_the_flags_of_an_uninterrupted_run(
    road: Road, uninterrupted: list[dict[str, Any]]
) -> None:
    loop = went_on(road)

    assert road.flags() == uninterrupted
    assert [restored.degraded for restored in loop.status.restored.values()] == [None, None]
    assert all(restored.from_archive > 20 for restored in loop.status.restored.values())
    assert loop.status.facts()["degraded"] == []


def test_memory_from_archive_and_log_together_does_so_too(road: Road, uninterrupted: list[dict[str, Any]]) -> None:
    expire(road, {0: 12, 1: 17})

    loop = went_on(road)

    assert road.flags() == uninterrupted
    assert all(restored.from_archive > 5 and restored.replayed > 5 for restored in loop.status.restored.values())


def test_what_is_missing_is_said_after_a_restart_as_well(road: Road) -> None:
    archive = Archive(road.settings.data_dir)
    (Path(archive.folder.path) / archive.files(0)[1].path).unlink()
    missing = went_on(road).status.restored[0].degraded

    again = road.consume(records=0)

    assert again.status.restored[0].from_checkpoint is not None
    assert again.status.restored[0].degraded == missing is not None
    assert again.status.restored[1].degraded is None


@pytest.mark.parametrize(("newest", "is_missing"), [(99, True), (100, False), (101, False)])
def test_what_no_window_reaches_any_more_is_not_missing(newest: int, is_missing: bool) -> None:
    missing = Missing(start=3, end=8, reason="gone", until=100)

    assert still_missing(missing, newest) == (missing if is_missing else None)
    assert still_missing(replace(missing, until=None), newest) is not None


def test_a_gap_is_said_as_a_range_of_offsets(road: Road) -> None:
    archive = Archive(road.settings.data_dir)
    gone = archive.files(0)[1]
    (Path(archive.folder.path) / gone.path).unlink()

    loop = went_on(road)

    missing = loop.status.restored[0].degraded
    assert missing is not None
    assert (missing.start, missing.end) == (gone.first_offset, gone.end_offset)
    [said] = loop.status.facts()["degraded"]
    assert said.startswith(
        f"partition 0: offsets {gone.first_offset} to {gone.end_offset} are missing: the log no longer"
    )
    assert loop.status.metrics.registry.get_sample_value("fraud_degraded_offsets", {"partition": "0"}) == (
        gone.end_offset - gone.first_offset
    )
    assert loop.status.restored[1].degraded is None


def test_a_damaged_file_is_missing_and_named(road: Road) -> None:
    archive = Archive(road.settings.data_dir)
    damaged = archive.files(1)[1]
    path = Path(archive.folder.path) / damaged.path
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)

    loop = went_on(road)

    missing = loop.status.restored[1].degraded
    assert missing is not None
    assert (missing.start, missing.end) == (0, damaged.end_offset)
    assert path.name in missing.reason


def test_another_logs_archive_is_no_memory(tmp_path: Path, road: Road) -> None:
    other = half_hour(tmp_path / "other")
    other.archive("theirs", records=EVERYTHING)
    link = Path(road.settings.data_dir) / "decisions"
    link.unlink()
    link.symlink_to(other.archive_folder("theirs") / "decisions")

    loop = went_on(road)

    assert {str(restored.degraded).partition(": ")[2] for restored in loop.status.restored.values()} == {
        "the archive is another log's"
    }


def test_ranges_of_dead_letters_alone_are_no_gap(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    five_minutes = 300_000_000
    for number in range(3):
        road.send([transaction(transaction_id=f"t-{number}", after=300 * number)])
        road.clock += five_minutes
        road.send([b"broken"] * 2)
        road.clock += five_minutes
    road.send([transaction(transaction_id="last", after=1_000)])
    road.archive("kept", records=10, at_once=1)
    (tmp_path / "decisions").symlink_to(road.archive_folder("kept") / "decisions")
    road.consume(records=9, at_once=9)
    expire(road, {0: 6})
    for file in tmp_path.glob("checkpoints/*/*"):
        file.unlink()

    loop = road.consume(records=1)

    restored = loop.status.restored[0]
    assert [(file.follows, file.first_offset) for file in Archive(tmp_path).files(0)] == [(0, 0), (1, 3), (4, 6)]
    assert (restored.from_archive, restored.replayed, restored.degraded) == (2, 3, None)
