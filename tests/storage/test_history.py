import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.errors import UsageError
from storage import history
from storage.arrow_rows import ArrowRows
from storage.history import HistoryWriter, manifests, problems, read_tables, table_of
from tests.builders import transaction
from tests.storage.transactions import transactions

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def payments(count, start=MARCH, every=timedelta(minutes=1)):
    return [transaction(transaction_id=f"t-{at}", event_time=start + at * every) for at in range(count)]


def ids(tables):
    return [word for table in tables for word in table["transaction_id"].to_pylist()]


@given(st.lists(transactions(), max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_transaction_comes_back_from_parquet_as_it_was(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("history")
    made.sort(key=lambda one: one.event_time)

    HistoryWriter(path, seed=1).write_month(2025, 3, [made[:3], made[3:]])

    rows = ArrowRows(pa.concat_tables([history.SCHEMA.empty_table(), *map(plain, read_or_nothing(path))]))
    assert [rows.transaction(row) for row in range(len(rows))] == made
    assert [rows.transaction(row).event_time.utcoffset() for row in range(len(rows))] == [
        one.event_time.utcoffset() for one in made
    ]


def read_or_nothing(path):
    return read_tables(path) if any(month.rows for month in manifests(path).values()) else []


def plain(table):
    return table.cast(history.SCHEMA)


def test_rows_are_read_in_the_order_they_were_written(tmp_path):
    writer = HistoryWriter(tmp_path, seed=1)

    later = writer.write_month(2026, 4, [payments(5, MARCH + timedelta(days=31))])
    earlier = writer.write_month(2026, 3, [payments(2), payments(3, MARCH + timedelta(days=1))])

    assert (earlier, later) == (5, 5)
    assert ids(read_tables(tmp_path)) == ["t-0", "t-1", "t-0", "t-1", "t-2", "t-0", "t-1", "t-2", "t-3", "t-4"]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        pytest.param(None, None, [0, 1, 2, 3], id="everything"),
        pytest.param(MARCH + timedelta(days=1), None, [1, 2, 3], id="the first moment belongs to it"),
        pytest.param(None, MARCH + timedelta(days=2), [0, 1], id="the last moment does not"),
        pytest.param(MARCH + timedelta(hours=1), MARCH + timedelta(hours=2), [], id="between two payments"),
        pytest.param(MARCH + timedelta(days=400), None, [], id="after all of them"),
        pytest.param(None, MARCH, [], id="before all of them"),
    ],
)
def test_history_can_be_read_from_a_moment_up_to_another(tmp_path, monkeypatch, since, until, found):
    monkeypatch.setattr(history, "_ROWS_PER_GROUP", 2)
    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, [payments(4, every=timedelta(days=1))])

    tables = list(read_tables(tmp_path, since=since, until=until, columns=["transaction_id"]))

    assert ids(tables) == [f"t-{at}" for at in found]
    assert all(table.column_names == ["transaction_id"] for table in tables)


def test_row_groups_and_parts_are_full_whatever_the_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "_ROWS_PER_GROUP", 10)
    monkeypatch.setattr(history, "_ROWS_PER_PART", 20)
    made = payments(47)

    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, (made[at : at + 7] for at in range(0, 47, 7)))

    (month,) = manifests(tmp_path).values()
    assert [part.rows for part in month.parts] == [20, 20, 7]
    assert [len(table) for table in read_tables(tmp_path)] == [10, 10, 10, 10, 7]
    assert ids(read_tables(tmp_path)) == [one.transaction_id for one in made]


def test_the_same_payments_give_the_same_bytes_in_any_chunks(tmp_path):
    made = payments(50)

    HistoryWriter(tmp_path / "a", seed=1).write_month(2026, 3, [made])
    HistoryWriter(tmp_path / "b", seed=1).write_month(2026, 3, [made[:1], [], made[1:]])

    assert manifests(tmp_path / "a") == manifests(tmp_path / "b")


def test_a_month_written_again_replaces_all_of_its_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "_ROWS_PER_GROUP", 2)
    monkeypatch.setattr(history, "_ROWS_PER_PART", 2)
    writer = HistoryWriter(tmp_path, seed=1)

    writer.write_month(2026, 3, [payments(6)])
    writer.write_month(2026, 3, [payments(3)])

    assert ids(read_tables(tmp_path)) == ["t-0", "t-1", "t-2"]
    assert problems(tmp_path) == []


def test_the_manifest_says_rows_seed_version_and_hashes(tmp_path):
    HistoryWriter(tmp_path, seed=7).write_month(2026, 3, [payments(3)])

    written = json.loads((tmp_path / "historical/year=2026/month=03/_manifest.json").read_text())

    assert (written["rows"], written["seed"], written["schema_version"]) == (3, 7, 1)
    assert [(part["name"], part["rows"], len(part["sha256"])) for part in written["parts"]] == [
        ("part-00000.parquet", 3, 64)
    ]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(lambda _part: None, [], id="nothing happened"),
        pytest.param(
            lambda part: part.write_bytes(part.read_bytes()[:-1] + b"x"), ["bytes are not"], id="a byte changed"
        ),
        pytest.param(Path.unlink, ["not there"], id="a part is gone"),
        pytest.param(
            lambda part: part.with_name("part-00001.parquet").touch(), ["no manifest lists"], id="a part too many"
        ),
    ],
)
def test_damage_is_found_by_the_manifest(tmp_path, damage, said):
    writer = HistoryWriter(tmp_path, seed=1)
    writer.write_month(2026, 3, [payments(3)])
    writer.write_month(2026, 4, [payments(1, MARCH + timedelta(days=31))])

    damage(tmp_path / "historical/year=2026/month=03/part-00000.parquet")

    found = problems(tmp_path)
    assert [text in line for text, line in zip(said, found, strict=True)] == [True] * len(said)


def test_nobody_sees_a_part_before_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "_ROWS_PER_GROUP", 2)
    seen = []

    def chunks():
        for at in range(3):
            yield payments(5, MARCH + timedelta(days=at * 8))
            files = [path for path in tmp_path.rglob("*") if path.is_file()]
            seen.append((len(files) > 0, [path.name for path in files if not path.name.startswith(".")]))

    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, chunks())

    assert seen[-1] == (True, [])
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [
        "_manifest.json",
        "part-00000.parquet",
    ]


def test_a_failure_on_the_way_leaves_what_was_there(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "_ROWS_PER_GROUP", 2)
    writer = HistoryWriter(tmp_path, seed=1)
    writer.write_month(2026, 3, [payments(2)])

    def broken():
        yield payments(5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        writer.write_month(2026, 3, broken())

    assert ids(read_tables(tmp_path)) == ["t-0", "t-1"]
    assert problems(tmp_path) == []
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(
    "event_time",
    [
        pytest.param(MARCH - timedelta(microseconds=1), id="a moment before the month"),
        pytest.param(datetime(2026, 4, 1, tzinfo=UTC), id="the first moment after it"),
        pytest.param(
            datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))), id="in the month on the local clock alone"
        ),
    ],
)
def test_a_payment_of_another_month_is_refused(tmp_path, event_time):
    writer = HistoryWriter(tmp_path, seed=1)

    with pytest.raises(UsageError, match="2026-03"):
        writer.write_month(2026, 3, [[transaction(event_time=event_time)]])


def test_history_of_two_seeds_does_not_mix(tmp_path):
    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, [payments(2)])

    with pytest.raises(UsageError, match="seed 1, not 2"):
        HistoryWriter(tmp_path, seed=2)


def test_progress_counts_every_row_once(tmp_path):
    told: list[int] = []

    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, [payments(3), payments(4)], told.append)

    assert told == [3, 4]


def test_an_empty_month_is_written_as_empty(tmp_path):
    assert HistoryWriter(tmp_path, seed=1).write_month(2026, 3, []) == 0
    assert HistoryWriter(tmp_path, seed=1).write_month(2026, 4, [[]]) == 0
    with pytest.raises(UsageError, match="no history"):
        list(read_tables(tmp_path))


def test_any_parquet_reader_can_read_the_folder(tmp_path):
    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, [payments(3)])

    frame = pd.read_parquet(tmp_path / "historical")

    assert frame["transaction_id"].tolist() == ["t-0", "t-1", "t-2"]
    assert frame["event_time"].iloc[0] == MARCH


def test_a_filesystem_url_does_as_well_as_a_path(tmp_path):
    HistoryWriter(f"file://{tmp_path}", seed=1).write_month(2026, 3, [payments(3)])

    assert ids(read_tables(f"file://{tmp_path}")) == ids(read_tables(tmp_path)) == ["t-0", "t-1", "t-2"]


def test_files_are_compressed_indexed_and_delta_coded(tmp_path):
    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, [payments(1_000)])

    file = pq.ParquetFile(tmp_path / "historical/year=2026/month=03/part-00000.parquet")
    time = file.metadata.row_group(0).column(0)

    assert file.schema_arrow.field("event_time").type == pa.timestamp("us", "UTC")
    assert (time.compression, time.has_column_index, time.has_offset_index) == ("ZSTD", True, True)
    assert "DELTA_BINARY_PACKED" in time.encodings


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "historical").write_text("in the way")

    with pytest.raises(UsageError, match="cannot be used"):
        HistoryWriter(tmp_path, seed=1).write_month(2026, 3, [payments(1)])


def test_a_damaged_part_is_one_line(tmp_path):
    HistoryWriter(tmp_path, seed=1).write_month(2026, 3, [payments(1)])
    (tmp_path / "historical/year=2026/month=03/part-00000.parquet").write_bytes(b"not parquet")

    with pytest.raises(UsageError, match=r"part-00000\.parquet cannot be read"):
        list(read_tables(tmp_path))


def test_a_table_of_nothing_has_every_column():
    assert table_of([]).schema == history.SCHEMA
