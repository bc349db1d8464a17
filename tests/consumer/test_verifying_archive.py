"""Archived decisions are held against the log, row by row; files that are damaged or gone are named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from consumer.asked_ranges import Asked
from consumer.verification import Verification
from consumer.verifying import Verifier
from storage.archive import Archive, ArchiveFile
from storage.decisions import decision_files
from storage.logs.log import TRANSACTIONS, Record
from storage.ranges import Range
from tests.consumer.half_hours import EVERYTHING as RECORDS
from tests.consumer.half_hours import half_hour, payments
from tests.consumer.roads import Road

GROUP = "fraud"
EVERYTHING = Asked()


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """Half an hour of two partitions under two policies, decided and archived."""
    road = half_hour(tmp_path)
    road.consume(records=RECORDS)
    road.archive(GROUP, records=RECORDS, at_once=RECORDS)
    return road


def archive_of(road: Road) -> Archive:
    return Archive(road.archive_folder(GROUP))


def verified(road: Road, asked: Asked = EVERYTHING) -> Verification:
    verifier = Verifier(source=road.log, group=GROUP, scorers={}, store=road.store, archive=archive_of(road))
    return verifier.verify(verifier.ranges(asked), asked)


def counts(found: Verification) -> tuple[int, int, int, int]:
    """Of archived rows: equal, missing, extra, different."""
    one = found.comparisons[-1]
    assert one.what == "archived decisions"
    return one.equal, one.missing, one.extra, one.different


def a_file(road: Road) -> ArchiveFile:
    """One from the middle, with some rows."""
    found = archive_of(road).files(1)[2]
    assert found.rows > 2
    return found


def path_of(road: Road, file: ArchiveFile) -> Path:
    return road.archive_folder(GROUP) / "decisions" / file.path


def all_rows(road: Road) -> int:
    return sum(file.rows for partition in range(2) for file in archive_of(road).files(partition))


def rewrite(road: Road, file: ArchiveFile, change: Callable[[pa.Table], pa.Table], log_id: str | None = None) -> None:
    """Put other rows into a file, well sealed."""
    rows = change(archive_of(road).table(file))
    [opened_at, *_] = rows["received_at"].cast(pa.int64()).to_pylist()
    whole = Range(
        partition=file.partition,
        first_offset=file.first_offset,
        end_offset=file.end_offset,
        opened_at=opened_at,
        received_at=file.received_at,
        dead=file.dead,
        follows=file.follows,
        rows=rows,
    )
    decision_files(road.archive_folder(GROUP), log_id or file.log_id).write(whole)


def test_what_was_archived_is_equal_and_the_open_tail_is_not_missing(road: Road) -> None:
    found = verified(road)

    rows = all_rows(road)
    assert counts(found) == (rows, 0, 0, 0)
    assert rows > 80
    assert (found.verdict, found.gaps) == ("equal", [])
    archived = sum(road.log.committed(TRANSACTIONS, "fraud-archive").values())
    behind = sum(one.end for one in found.ranges) - archived
    assert found.pending == [f"not yet archived: {behind} records that group `fraud-archive` has not committed"]


def test_where_nothing_is_archived_nothing_is_missing(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.policy()
    road.consume(records=road.send(payments(30), seconds=21))

    found = verified(road)

    assert (counts(found), found.verdict) == ((0, 0, 0, 0), "equal")
    assert len(found.pending) == 1


def test_a_copied_archive_without_its_group_is_verified_up_to_its_last_file(road: Road) -> None:
    with road.log._file.transaction() as connection:
        connection.execute("DELETE FROM committed WHERE reader_group = 'fraud-archive'")

    assert counts(verified(road)) == (all_rows(road), 0, 0, 0)


def _flip(content: bytes) -> bytes:
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_flip, id="one bit is changed"),
        pytest.param(lambda content: content[:-20], id="cut short"),
        pytest.param(lambda content: b"", id="emptied"),
    ],
)
def test_a_damaged_file_is_named_and_its_neighbours_are_compared(road: Road, spoil: Callable[[bytes], bytes]) -> None:
    file, rows = a_file(road), all_rows(road)
    path = path_of(road, file)
    path.write_bytes(spoil(path.read_bytes()))

    found = verified(road)

    assert counts(found) == (rows - file.rows, 0, 0, 1)
    assert file.path in found.comparisons[-1].examples["different"][0]
    assert found.exit_code == 1


def test_the_rows_of_a_removed_file_are_missing(road: Road) -> None:
    file, rows = a_file(road), all_rows(road)
    path_of(road, file).unlink()

    found = verified(road)

    assert counts(found) == (rows - file.rows, file.rows, 0, 0)
    said = f"transactions-1, offsets {file.first_offset} to {file.end_offset - 1}: no file holds their {file.rows} rows"
    assert found.comparisons[-1].examples["missing"] == [said]
    assert found.exit_code == 1


def _with(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        values = rows[column].to_pylist()
        values[1] = value
        place = rows.schema.get_field_index(column)
        return rows.set_column(place, rows.schema.field(column), pa.array(values, rows.schema.field(column).type))

    return change


@pytest.mark.parametrize(
    ("change", "differences", "said"),
    [
        pytest.param(_with("hits", ["by-hand"]), (0, 0, 1), "hits", id="other hits"),
        pytest.param(_with("amount", 4711.0), (0, 0, 1), "became 4711.0", id="another amount"),
        pytest.param(_with("count_1h", None), (0, 0, 1), "became None", id="a feature that is gone"),
        pytest.param(lambda rows: rows.slice(0, len(rows) - 1), (1, 0, 0), "offset", id="a row less"),
        pytest.param(_with("offset", 10**9), (1, 0, 0), "offset", id="a row of another place"),
    ],
)
def test_rows_that_were_altered_are_told_apart(
    road: Road, change: Callable[[pa.Table], pa.Table], differences: tuple[int, int, int], said: str
) -> None:
    file, rows = a_file(road), all_rows(road)
    rewrite(road, file, change)

    found = verified(road)

    assert counts(found) == (rows - 1, *differences)
    [example] = [line for lines in found.comparisons[-1].examples.values() for line in lines]
    assert said in example
    assert file.path in example


def test_a_file_that_lies_in_two_folders_is_extra(road: Road) -> None:
    path = path_of(road, a_file(road))
    other = path.parents[1] / "date=2020-01-01" / path.name
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())

    found = verified(road)

    assert counts(found) == (all_rows(road) - a_file(road).rows, 0, 1, 0)
    assert "date=2020-01-01" in str(found.comparisons[-1].examples["extra"])


def test_a_range_that_ends_at_an_offset_without_a_record_is_compared_to_its_end(tmp_path: Path) -> None:
    """Compaction and the markers of transactions leave offsets without a record."""
    road = Road(tmp_path, partitions=1)
    road.policy()
    records = [
        Record(0, 10 * number, road.clock + number * 20_000_000, b"u", msgspec.json.encode(payment))
        for number, payment in enumerate(payments(30))
    ]
    road.log.import_records(TRANSACTIONS, records)
    road.consume(records=30)
    road.archive(GROUP, records=30)

    found = verified(road, Asked(to_offset=75))

    archive = archive_of(road)
    rows = [offset for file in archive.files(0) for offset in archive.table(file)["offset"].to_pylist() if offset < 75]
    assert counts(found) == (len(rows), 0, 0, 0)
    assert len(rows) > 5


def test_a_row_for_a_dead_letter_is_extra(road: Road) -> None:
    file = next(file for file in archive_of(road).files(1) if file.dead and file.rows)
    held = set(archive_of(road).table(file)["offset"].to_pylist())
    [dead, *_] = set(range(file.first_offset, file.end_offset)) - held

    def change(rows: pa.Table) -> pa.Table:
        more = _with("offset", dead)(pa.concat_tables([rows.slice(0, 1), rows.slice(0, 1)])).slice(1)
        return pa.concat_tables([rows, more]).sort_by("offset")

    rows = all_rows(road)
    rewrite(road, file, change)

    assert counts(verified(road)) == (rows, 0, 1, 0)


def test_a_file_of_another_log_is_different(road: Road) -> None:
    file, rows = a_file(road), all_rows(road)
    rewrite(road, file, lambda rows: rows, log_id="another-log")

    assert counts(verified(road)) == (rows - file.rows, 0, 0, 1)


def test_a_file_of_another_format_is_not_verifiable(road: Road) -> None:
    file, rows = a_file(road), all_rows(road)
    files = replace(decision_files(road.archive_folder(GROUP), file.log_id), schema_version=99)
    table = archive_of(road).table(file)
    files.write(
        Range(
            partition=file.partition,
            first_offset=file.first_offset,
            end_offset=file.end_offset,
            opened_at=table["received_at"].cast(pa.int64()).to_pylist()[0],
            received_at=file.received_at,
            dead=file.dead,
            follows=file.follows,
            rows=table,
        )
    )

    found = verified(road)

    assert counts(found) == (rows - file.rows, 0, 0, 0)
    assert "has format 99" in found.gaps[0].reason
    assert found.exit_code == 2


def test_a_range_may_begin_and_end_inside_files(road: Road) -> None:
    first, last = archive_of(road).files(0)[1], archive_of(road).files(0)[3]
    start, end = first.first_offset + 1, last.end_offset - 1
    offsets = [
        offset
        for file in archive_of(road).files(0, start, end)
        for offset in archive_of(road).table(file)["offset"].to_pylist()
    ]

    found = verified(road, Asked(partitions=[0], from_offset=start, to_offset=end))

    assert counts(found) == (sum(start <= offset < end for offset in offsets), 0, 0, 0)
    assert found.pending == []
