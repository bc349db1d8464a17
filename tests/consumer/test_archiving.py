"""The archive: a second reader whose files end where the log says, so that the same log gives the same bytes."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from consumer.loop import Loop
from consumer.status import Status
from fraud.errors import ArchiveError, FailpointError, PolicyError, StoreError
from storage import failpoints
from storage.archive import Archive
from storage.archive_files import ArchiveFiles
from storage.decisions import SCHEMA
from storage.ranges import Range
from tests.builders import transaction
from tests.consumer.half_hours import EVERYTHING, half_hour
from tests.consumer.roads import Road
from tests.consumer.test_loop import publish_for_another_engine
from tests.consumer.test_outages import NoWaiting


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return half_hour(tmp_path)


def files(road: Road, name: str) -> dict[str, str]:
    """SHA-256 of every file of an archive by its path."""
    root = road.archive_folder(name) / "decisions"
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("part-*")}


@pytest.fixture
def whole(road: Road) -> dict[str, str]:
    """The archive of an uninterrupted run."""
    road.archive("whole", records=EVERYTHING)
    return files(road, "whole")


def test_every_record_before_the_open_tail_has_a_row_or_is_counted_as_dead(road: Road) -> None:
    road.archive("whole", records=EVERYTHING)
    archive = Archive(road.archive_folder("whole"))

    described = [file for partition in range(2) for file in archive.files(partition)]
    rows = [row for file in described for row in archive.table(file).to_pylist()]

    assert len(described) >= 8
    assert sum(file.end_offset - file.first_offset for file in described) == len(rows) + sum(
        file.dead for file in described
    )
    assert sum(file.dead for file in described) > 5
    assert {row["status"] for row in rows} == {"decided", "duplicate", "before_policy"}
    assert len({row["policy"] for row in rows}) == 3
    assert any(len({row["policy"] for row in archive.table(file).to_pylist()}) == 3 for file in described)


def test_a_flag_stands_in_the_archive_as_in_the_store(road: Road) -> None:
    road.archive("whole", records=EVERYTHING)
    road.consume(records=EVERYTHING)
    archive = Archive(road.archive_folder("whole"))

    rows = [
        row for partition in range(2) for file in archive.files(partition) for row in archive.table(file).to_pylist()
    ]
    ends = {partition: archive.files(partition)[-1].end_offset for partition in range(2)}
    stored = {
        (flag["partition"], flag["offset"]): flag for flag in road.flags() if flag["offset"] < ends[flag["partition"]]
    }

    assert {(row["partition"], row["offset"]) for row in rows if row["flagged"]} == stored.keys() != set()
    for row in rows:
        flag = stored.get((row["partition"], row["offset"]))
        if flag is None:
            assert (row["severity"], row["hits"]) == (None, [])
            continue
        assert {name: row[name] for name in ("severity", "policy", "score", "user_id", "history_incomplete")} == {
            name: flag[name] for name in ("severity", "policy", "score", "user_id", "history_incomplete")
        }
        assert row["hits"] == [hit["rule"] for hit in flag["hits"]]
        assert {name: row[name] for name in flag["features"]} == flag["features"]


@pytest.mark.parametrize("at_once", [1, 7, 50])
def test_the_cut_into_polls_changes_no_byte(road: Road, whole: dict[str, str], at_once: int) -> None:
    road.archive("cut", records=EVERYTHING, at_once=at_once)

    assert files(road, "cut") == whole != {}


@pytest.mark.parametrize("stops", [(30,), (1, 40, 41, 80)], ids=["one stop", "many stops"])
@pytest.mark.parametrize("with_checkpoints", [True, False], ids=["from checkpoints", "from the log alone"])
def test_stopping_and_starting_changes_no_byte(
    road: Road, whole: dict[str, str], stops: tuple[int, ...], with_checkpoints: bool
) -> None:
    for stop in stops:
        loop = until_the_end(road.archiver("stopped", records=0, at_once=5), or_after=stop)
        loop.checkpointing.longest = 0.0 if with_checkpoints else 1e9
        ran(loop)
        if not with_checkpoints:
            for file in road.archive_folder("stopped").glob("checkpoints/*/*"):
                file.unlink()
    last = ran(until_the_end(road.archiver("stopped", records=0, at_once=5)))

    assert files(road, "stopped") == whole
    assert any(restored.from_checkpoint for restored in last.status.restored.values()) is with_checkpoints


def test_two_writers_write_the_same_bytes_over_one_another(road: Road, whole: dict[str, str]) -> None:
    ran(until_the_end(road.archiver("both", records=0)))
    forget_the_group(road, "both-archive")
    (road.archive_folder("both") / "decisions" / sorted(whole)[-1]).unlink()
    ran(until_the_end(road.archiver("both", records=0, at_once=3)))

    assert files(road, "both") == whole


def test_a_partition_that_left_and_came_back_changes_no_byte(road: Road, whole: dict[str, str]) -> None:
    loop = road.archiver("moved", records=45, at_once=5)
    loop.run()
    stood = loop.decider.states[0].next_offset
    loop._let_go(0)
    loop._take_up(0)
    went_back_to = loop.decider.states[0].next_offset

    ran(until_the_end(loop))

    assert went_back_to < stood
    assert files(road, "moved") == whole


def test_a_file_ends_where_another_engine_goes_on(tmp_path: Path) -> None:
    """Else the release that goes on would have to decide what the policy of this one rules."""
    road = Road(tmp_path, partitions=1)
    road.policy()
    before = road.send([transaction(transaction_id=f"t-{number}") for number in range(9)])
    road.clock += 1_000_000
    publish_for_another_engine(road)
    road.send([transaction(transaction_id=f"t-{number}", after=30) for number in range(9, 20)], seconds=2)

    loop = road.archiver("engine", records=1_000, at_once=7)
    with pytest.raises(PolicyError, match="engine 999"):
        loop.run()
    committed, stood = loop.reader.committed(0), loop.decider.states[0].next_offset
    loop.close()

    [file] = Archive(road.archive_folder("engine")).files(0)
    assert committed == stood == file.end_offset
    assert before < stood < 20


def test_a_crash_after_a_beginning_without_rows_changes_no_byte(tmp_path: Path, armed: None) -> None:
    """A range of dead letters alone is committed and has no file that says where it began."""
    road = Road(tmp_path, partitions=1)
    road.policy()
    sent = road.send([b"broken"] * 5, seconds=100)
    sent += road.send(
        [transaction(transaction_id=f"t-{number}", after=number * 100) for number in range(9)], seconds=100
    )
    road.archive("whole", records=sent, at_once=1)
    failpoints.arm("after_archive_file=raise@1")
    dying = road.archiver("died", records=sent, at_once=1)
    with pytest.raises(FailpointError):
        dying.run()
    dying.close()

    ran(until_the_end(road.archiver("died", records=0)))

    assert files(road, "died") == files(road, "whole")
    assert Archive(road.archive_folder("whole")).files(0)[0].follows == 0


class AwayFolder:
    """An archive's folder that does not answer when a partition comes, three times."""

    def __init__(self, files: Any) -> None:
        self._files, self._left = files, 3

    def begin(self, *given: Any) -> Any:
        self._left -= 1
        if self._left >= 0:
            raise StoreError("away")
        return self._files.begin(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


def test_a_folder_that_is_away_when_a_partition_comes_is_waited_for(road: Road, whole: dict[str, str]) -> None:
    loop = road.archiver("away", records=EVERYTHING)
    sink: Any = loop.sink
    sink.files = AwayFolder(sink.files)
    loop.stopping = NoWaiting()

    ran(loop)

    assert files(road, "away") == whole


@pytest.mark.parametrize("point", ["inside_archive_file", "after_archive_file"])
@pytest.mark.parametrize("time", [1, 4])
def test_a_crash_leaves_whole_files_and_loses_none(
    road: Road, whole: dict[str, str], armed: None, point: str, time: int
) -> None:
    failpoints.arm(f"{point}=raise@{time}")
    dying = road.archiver("died", records=EVERYTHING, at_once=20)
    with pytest.raises(FailpointError):
        dying.run()
    dying.close()
    found = files(road, "died")

    ran(until_the_end(road.archiver("died", records=0)))

    assert found.items() < whole.items()
    assert files(road, "died") == whole


def test_what_a_group_forgot_is_told_by_the_files(road: Road, whole: dict[str, str]) -> None:
    road.archive("forgotten", records=60, at_once=5)
    forget_the_group(road, "forgotten-archive")

    loop = until_the_end(road.archiver("forgotten", records=0))
    ran(loop)

    assert files(road, "forgotten") == whole
    assert all(restored.next_offset > 0 for restored in loop.status.restored.values())


def test_an_emptied_folder_is_filled_again_from_the_log(road: Road, whole: dict[str, str]) -> None:
    road.archive("emptied", records=EVERYTHING)
    for path in (road.archive_folder("emptied") / "decisions").rglob("*.*"):
        path.unlink()

    ran(until_the_end(road.archiver("emptied", records=0)))

    assert files(road, "emptied") == whole


def test_nothing_is_committed_but_the_ends_of_files(road: Road) -> None:
    loop = road.archiver("ends", records=EVERYTHING, at_once=3)
    committed: dict[int, set[int]] = {0: set(), 1: set()}
    loop.reader = _Noting(loop.reader, committed)

    ran(loop)

    archive = Archive(road.archive_folder("ends"))
    for partition in range(2):
        assert committed[partition] == {file.end_offset for file in archive.files(partition)}


def test_a_range_without_rows_is_passed_over_and_committed(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send([transaction(transaction_id="first")])
    road.clock += 300_000_000
    road.send([b"broken"] * 3)
    road.clock += 300_000_000
    road.send([transaction(transaction_id="second", after=900)])

    loop = road.archiver("gap", records=5)
    loop.run()
    committed = loop.reader.committed(0)
    loop.close()

    archive = Archive(road.archive_folder("gap"))
    assert [(file.first_offset, file.end_offset) for file in archive.files(0)] == [(0, 1)]
    assert archive.uncovered(0, 0, 5) == [(1, 5)]
    assert committed == 4


def test_a_disk_that_takes_nothing_pauses_the_archive_and_loses_nothing(road: Road, whole: dict[str, str]) -> None:
    loop = road.archiver("full", records=EVERYTHING, at_once=20)
    disk = _FullFor(loop.sink.files, tries=3)  # type: ignore[attr-defined]
    loop.sink.files = disk  # type: ignore[attr-defined]
    loop.stopping = _NoWaiting()
    committed: dict[int, set[int]] = {0: set(), 1: set()}
    loop.reader = _Noting(loop.reader, committed)
    disk.on_try = lambda: disk.committed.append(sum(map(len, committed.values())))

    ran(loop)

    assert files(road, "full") == whole
    assert disk.committed[:4] == [0, 0, 0, 0]


def test_a_folder_that_cannot_be_written_is_a_store_that_is_down(road: Road) -> None:
    loop = road.archiver("blocked", records=EVERYTHING)
    target = road.archive_folder("blocked") / "decisions" / "date=2026-03-02"
    target.write_text("a file where a folder should be")
    loop.stopping = _Impatient()

    with pytest.raises(StoreError, match="cannot be written"):
        loop.run()
    loop.close()


def test_another_logs_archive_is_refused(tmp_path: Path, road: Road, whole: dict[str, str]) -> None:
    other = Road(tmp_path / "other")
    (tmp_path / "other" / "whole").symlink_to(road.archive_folder("whole"))

    with pytest.raises(ArchiveError, match="is the archive of log"):
        other.archiver("whole", records=0)


def test_an_archive_of_a_newer_release_is_refused(road: Road, whole: dict[str, str]) -> None:
    marker = road.archive_folder("whole") / "decisions" / "_log.json"
    marker.write_text(marker.read_text().replace('"schema": 1', '"schema": 2'))

    with pytest.raises(ArchiveError, match="newer release"):
        road.archiver("whole", records=0)


@pytest.mark.parametrize("where", ["head", "page", "index", "footer", "cut short"])
def test_a_damaged_file_is_named(road: Road, whole: dict[str, str], where: str) -> None:
    archive = Archive(road.archive_folder("whole"))
    name = archive.names(0)[1]
    path = road.archive_folder("whole") / "decisions" / name.path
    content = bytearray(path.read_bytes())
    users = pq.read_metadata(path).row_group(0).column(SCHEMA.get_field_index("user_id"))
    place = {"head": 1, "page": users.data_page_offset + 40, "index": len(content) // 3, "footer": -20, "cut short": 0}[
        where
    ]
    content[place] ^= 0xFF
    path.write_bytes(content[:-1] if where == "cut short" else content)

    with pytest.raises(ArchiveError, match=f"{path.name} is damaged"):
        archive.table(archive.file(name))


def test_any_parquet_reader_reads_the_archive_as_one_table(road: Road, whole: dict[str, str]) -> None:
    frame = pq.read_table(road.archive_folder("whole") / "decisions").to_pandas()

    assert len(frame) > 50
    assert set(SCHEMA.names) | {"date"} == set(frame.columns)


def ran(loop: Loop) -> Loop:
    try:
        loop.run()
    finally:
        loop.close()
    return loop


def until_the_end(loop: Loop, or_after: int = 1_000_000) -> Loop:
    """Leaves once it stands at the end of the log, or has read so many records."""
    ends = loop.reader.end_offsets(range(loop.checkpointing.partitions))

    def is_done(status: Status) -> bool:
        stands = {partition: state.next_offset for partition, state in loop.decider.states.items()}
        return stands == ends or status.seen >= or_after

    loop.until = is_done
    return loop


def forget_the_group(road: Road, group: str) -> None:
    """As a broker does with the offsets of a group that was away for a week."""
    with road.log._file.transaction() as connection:
        connection.execute("DELETE FROM committed WHERE reader_group = ?", (group,))


@pytest.fixture
def armed() -> Iterator[None]:
    yield
    failpoints.disarm()


class _Noting:
    """A reader that notes what is committed."""

    def __init__(self, reader: Any, committed: dict[int, set[int]]) -> None:
        self._reader, self._committed = reader, committed

    def commit(self, next_offsets: Any) -> None:
        for partition, offset in next_offsets.items():
            self._committed[partition].add(offset)
        self._reader.commit(next_offsets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class _FullFor:
    """Files on a disk that is full for some tries."""

    def __init__(self, files: ArchiveFiles, tries: int) -> None:
        self._files, self._tries = files, tries
        self.committed: list[int] = []
        self.on_try: Any = None

    def write(self, whole: Range) -> int:
        self.on_try()
        if self._tries:
            self._tries -= 1
            raise StoreError("full")
        return self._files.write(whole)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


class _NoWaiting(threading.Event):
    """Nobody waits between two tries."""

    def wait(self, timeout: float | None = None) -> bool:
        return False


class _Impatient(_NoWaiting):
    """Told to stop at the first wait."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True
