import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from dashboard import csv_export, queries
from storage.flags.flag_store import FlagFilter, TimeField
from storage.flags.sql_store import SqlStore
from tests.dashboard.seeding import flag, high_amount
from tests.storage.flags.flag_builders import put

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVERYTHING = FlagFilter(since=NOON - timedelta(days=1), until=NOON + timedelta(days=1))


@pytest.fixture
def store(tmp_path):
    opened = SqlStore(f"sqlite:///{tmp_path}/flags.db")
    opened.prepare()
    yield opened
    opened.close()


def stored(store, *flags):
    assert put(store, flags, []) == []
    return store.flags(EVERYTHING, 1_000)


def read(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        pytest.param("=1+1", "'=1+1", id="equals"),
        pytest.param("+1", "'+1", id="plus"),
        pytest.param("-cmd", "'-cmd", id="minus"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\tx", "'\tx", id="tab"),
        pytest.param("\rx", "'\rx", id="carriage return"),
        pytest.param("a=b", "a=b", id="harmless in the middle"),
        pytest.param('He said "no", twice', 'He said "no", twice', id="quotes and commas"),
        pytest.param("two\r\nlines", "two\r\nlines", id="line breaks"),
        pytest.param("Tōkyō ☂ عربي", "Tōkyō ☂ عربي", id="unicode"),
    ],
)
def test_a_cell_comes_back_as_it_was_unless_a_spreadsheet_would_run_it(store, text, cell):
    documents = stored(store, flag(1, NOON, merchant_name=text))

    assert read(csv_export.to_csv(documents))[0]["merchant_name"] == cell


def test_lines_end_as_the_rfc_says_and_a_header_comes_first(store):
    content = csv_export.to_csv(stored(store, flag(1, NOON), flag(2, NOON)))

    assert content.count(b"\r\n") == 3
    assert content.startswith(b"flag_id,received_at,event_time,decided_at,severity,user_id,transaction_id,amount,")
    assert csv_export.to_csv([]).startswith(b"flag_id,received_at,")


def test_lists_are_joined_and_shadow_hits_are_left_out(store):
    live, other = high_amount(1_201.0), high_amount(7.0, severity="low")
    documents = stored(store, flag(1, NOON, hits=(live, other, high_amount(9.0, mode="shadow"))))

    row = read(csv_export.to_csv(documents))[0]

    assert row["rules"] == "high-amount|high-amount"
    assert row["reasons"] == f"{live.reason}|{other.reason}"


def test_numbers_stay_numbers_and_absent_is_empty(store):
    documents = stored(store, flag(1, NOON, latitude=-33.5, amount=0.1, score=950_000), flag(2, NOON))

    rows = {row["transaction_id"]: row for row in read(csv_export.to_csv(documents))}

    assert rows["t-00001"]["latitude"] == "-33.5"
    assert rows["t-00001"]["amount"] == "0.1"
    assert rows["t-00001"]["score"] == "0.95"
    assert rows["t-00002"]["latitude"] == rows["t-00002"]["score"] == rows["t-00002"]["verdict"] == ""
    assert datetime.fromisoformat(rows["t-00001"]["received_at"]) == NOON


@pytest.mark.parametrize("page_size", [1, 3, 7, 1_000])
@pytest.mark.parametrize("clock", list(TimeField))
def test_every_flag_of_the_filter_is_given_once_in_the_tables_order(store, clock, page_size):
    moments = [NOON + timedelta(milliseconds=10 * (number // 5)) for number in range(23)]
    flags = [flag(number, at, severity="low" if number % 4 else "high") for number, at in enumerate(moments)]
    stored(store, *flags)
    wanted = FlagFilter(since=NOON - timedelta(days=1), until=NOON + timedelta(days=1), time=clock, severities=("low",))

    given = [found["_id"] for found in queries.every_flag(store, wanted, page_size)]

    assert given == [found["_id"] for found in store.flags(wanted, 1_000)]
    assert len(given) == 17


def test_flags_stored_while_the_file_is_made_move_nothing(store):
    stored(store, *[flag(number, NOON + timedelta(seconds=number)) for number in range(6)])

    rows = queries.every_flag(store, EVERYTHING, page_size=2)
    first = next(rows)["transaction"]["transaction_id"]
    stored(store, flag(99, NOON + timedelta(minutes=5)))

    assert [first, *[row["transaction"]["transaction_id"] for row in rows]] == [
        f"t-{n:05d}" for n in (5, 4, 3, 2, 1, 0)
    ]


def test_a_kept_copy_lies_under_filtered_and_never_replaces_another(store, tmp_path):
    documents = stored(store, flag(1, NOON))

    paths = [csv_export.keep(documents, str(tmp_path / "data"), NOON) for _ in range(2)]

    kept = sorted((tmp_path / "data" / "filtered").iterdir())
    assert [str(path) for path in kept] == sorted(paths)
    assert len(kept) == 2
    assert {path.read_bytes() for path in kept} == {csv_export.to_csv(documents)}
