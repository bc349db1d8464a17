from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraud.card_numbers import holds_card_number
from fraud.errors import MappingError
from fraud.schema import Channel, LabelSource, LabelValue, Transaction
from storage import foreign_stream
from storage.foreign_stream import ForeignPayments

MINIMAL = "columns: {transaction_id: ID, user_id: USER, event_time: AT, amount: AMOUNT}\n"
START = datetime(2018, 4, 1, 12, tzinfo=UTC)
HANDBOOK = Path(__file__).parents[2] / "config" / "mappings" / "handbook.yaml"


def rows(count=3, **columns):
    """A small foreign file, a payment an hour."""
    times = [(START + timedelta(hours=at)).replace(tzinfo=None) for at in range(count)]
    known = {
        "ID": [f"t-{at}" for at in range(count)],
        "USER": [f"u-{at}" for at in range(count)],
        "AT": times,
        "AMOUNT": [10.0] * count,
    }
    return pa.table({**known, **columns})


@pytest.fixture
def opened(tmp_path):
    def open_file(table, mapping=MINIMAL, name="foreign.parquet", **asked):
        path = tmp_path / name
        if name.endswith(".parquet"):
            pq.write_table(table, path)
        else:
            path.write_text(table, "utf-8")
        (tmp_path / "mapping.yaml").write_text(mapping, "utf-8")
        return ForeignPayments(path, tmp_path / "mapping.yaml", **asked)

    return open_file


def all_of(payments, shift=0):
    parts = list(payments.translated(shift))
    return [one for part in parts for one in part.transactions], [one for part in parts for one in part.labels]


def test_a_file_of_the_handbooks_shape_is_read_by_the_mapping_that_ships(tmp_path):
    path = tmp_path / "handbook.parquet"
    midnight = (START - timedelta(hours=12)).replace(tzinfo=None)
    table = pa.table(
        {
            "TRANSACTION_ID": pa.array([0, 1, 2], pa.int32()),
            "TX_DATETIME": pa.array([midnight + timedelta(seconds=31 + at) for at in range(3)], pa.timestamp("ns")),
            "CUSTOMER_ID": pa.array([596, 4961, 2], pa.int32()),
            "TERMINAL_ID": pa.array([3156, 3412, 1365], pa.int32()),
            "TX_AMOUNT": [57.16, 81.51000000000001, 146.0],
            "TX_TIME_SECONDS": pa.array([31, 130, 476], pa.int32()),
            "TX_TIME_DAYS": pa.array([0, 0, 0], pa.int16()),
            "TX_FRAUD": pa.array([0, 1, 0], pa.int8()),
            "TX_FRAUD_SCENARIO": pa.array([0, 2, 0], pa.int8()),
        }
    )  # fmt: skip
    pq.write_table(table, path)

    payments = ForeignPayments(path, HANDBOOK)
    transactions, labels = all_of(payments)

    assert msgspec.to_builtins(transactions[1]) == {
        "transaction_id": "1",
        "user_id": "4961",
        "event_time": "2018-04-01T00:00:32+02:00",
        "amount": 81.51,
        "kind": "purchase",
        "outcome": "approved",
        "currency": "EUR",
        "merchant_id": "3412",
        "channel": "pos",
    }
    assert [(one.label, one.source, one.fraud_type) for one in labels] == [
        (LabelValue.LEGITIMATE, LabelSource.CUSTOMER, None),
        (LabelValue.FRAUD, LabelSource.FRAUD_REPORT, "2"),
        (LabelValue.LEGITIMATE, LabelSource.CUSTOMER, None),
    ]
    assert {one.reported_at - one.event_time for one in labels} == {timedelta(days=7)}
    assert payments.notes() == []
    assert payments.not_carried is None


def test_what_is_translated_is_what_the_wire_would_take(opened):
    mapping = MINIMAL.replace("AMOUNT}", "AMOUNT, mcc: MCC, channel: HOW, latitude: LAT, longitude: LON}") + (
        "values: {channel: {CP: pos, CNP: online}}\ncurrency: CCY\n"
    )
    table = rows(
        4,
        MCC=[742, 5411, None, 12345],
        HOW=["CP", "CNP", "online", "fax"],
        LAT=[50.5, None, 91.0, 50.5],
        LON=[4.5, 4.5, 4.5, 4.5],
        CCY=["EUR", "JPY", "ZZZ", None],
        AMOUNT=[10.005, 10.5, 1.0, 2.0],
    )

    payments = opened(table, mapping)
    transactions, _ = all_of(payments)

    assert [one.mcc for one in transactions] == ["0742", "5411", None, None]
    assert [one.channel for one in transactions] == [Channel.POS, Channel.ONLINE, Channel.ONLINE, None]
    assert [(one.latitude, one.longitude) for one in transactions] == [
        (50.5, 4.5),
        (None, None),
        (None, None),
        (50.5, 4.5),
    ]
    assert [(one.amount, one.currency) for one in transactions] == [
        (10.0, "EUR"),
        (10.0, "JPY"),
        (1.0, None),
        (2.0, None),
    ]
    assert [msgspec.json.decode(msgspec.json.encode(one), type=Transaction) for one in transactions] == transactions
    assert payments.notes() == [
        "1 cells of channel left empty, not known: fax (1)",
        "1 cells of currency left empty, not known: ZZZ (1)",
        "1 cells of latitude left empty, not known: out of range (1)",
        "1 cells of mcc left empty, not known: 12345 (1)",
        "2 amounts rounded half-even",
    ]


def test_a_row_without_what_every_payment_has_is_left_out_and_counted(opened):
    payments = opened(rows(5, USER=["u", None, "", "x" * 200, "u"], AMOUNT=[1.0, 1.0, 1.0, 1.0, -1.0]))
    transactions, _ = all_of(payments)

    assert [one.transaction_id for one in transactions] == ["t-0"]
    assert payments.notes()[:2] == ["1 rows left out: amount cannot be read", "3 rows left out: user_id cannot be read"]


def test_no_note_ever_shows_a_card_number(opened):
    payments = opened(rows(2, HOW=["4111111111111111"] * 2), MINIMAL.replace("AMOUNT}", "AMOUNT, channel: HOW}"))
    all_of(payments)

    assert len(payments.notes()) == 1
    assert not holds_card_number(payments.notes()[0])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        pytest.param({"AMOUNT": ["a", "b", "c"]}, r"yaml:1: columns.amount: no row can be read; the first holds 'a'", id="no amounts"),
        pytest.param({"AT": ["1.4.", "2.4.", "3.4."]}, r"mapping.yaml:1: columns.event_time: no time in .* can be read", id="no times"),
        pytest.param({"AT": [1, 2, 3]}, r"columns.event_time: numbers need time.format epoch_s or epoch_ms", id="numbers"),
    ],
)  # fmt: skip
def test_a_mapping_that_fits_no_row_is_refused(opened, columns, said):
    with pytest.raises(MappingError, match=said):
        all_of(opened(rows(3, **columns)))


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        pytest.param(
            MINIMAL.replace("AMOUNT}", "AMOUNTS}"),
            "mapping.yaml:1: columns.amount: FILE has no column AMOUNTS, did you mean AMOUNT?",
            id="a column",
        ),
        pytest.param(
            MINIMAL + "label: {column: FRAUD, fraud: [1], reported_at: WHEN}\n",
            "mapping.yaml:2: label.column: FILE has no column FRAUD; one of ID, USER, AT, AMOUNT",
            id="a label column",
        ),
        pytest.param(
            MINIMAL + "places: {home: [NORTH, EAST]}\n",
            "mapping.yaml:2: places.home: FILE has no column NORTH; one of ID, USER, AT, AMOUNT",
            id="a place",
        ),
        pytest.param(
            MINIMAL + "features: {numeric: [ITEMS]}\n",
            "mapping.yaml:2: features: FILE has no column ITEMS; one of ID, USER, AT, AMOUNT",
            id="a feature",
        ),
        pytest.param(
            MINIMAL + "currency: EURO\n",
            "mapping.yaml:2: currency: EURO is neither an ISO 4217 code nor a column; one of ID, USER, AT, AMOUNT",
            id="a currency",
        ),
        pytest.param(
            MINIMAL + "tokenise: [user_id]\n",
            "mapping.yaml:2: tokenise: needs a secret key: set FRAUD_TOKEN_KEY",
            id="a key",
        ),
    ],
)
def test_what_is_missing_is_named_with_its_line(opened, tmp_path, mapping, said):
    with pytest.raises(MappingError) as caught:
        opened(rows(), mapping)

    assert said in str(caught.value).replace(str(tmp_path / "foreign.parquet"), "FILE")


def test_a_row_number_stands_in_for_a_missing_id_the_same_every_time(opened):
    mapping = MINIMAL.replace("transaction_id: ID, ", "")

    first, _ = all_of(opened(rows(), mapping))
    again, _ = all_of(opened(rows(), mapping, name="copy.parquet"))
    other, _ = all_of(opened(rows(4), mapping))

    tag = first[0].transaction_id.removesuffix("-0")
    assert (tag.isalpha(), len(tag)) == (True, 8)
    assert [one.transaction_id for one in first] == [f"{tag}-0", f"{tag}-1", f"{tag}-2"]
    assert again == first
    assert other[0].transaction_id != first[0].transaction_id


def test_a_token_stands_for_the_same_id_under_the_same_key_alone(opened):
    table = rows(3, USER=["4111111111111111", "4111111111111111", "5500005555555559"])
    mapping = MINIMAL + "tokenise: [user_id]\n"

    one, _ = all_of(opened(table, mapping, key=b"secret"))
    again, _ = all_of(opened(table, mapping, key=b"secret"))
    other, _ = all_of(opened(table, mapping, key=b"another"))

    users = [transaction.user_id for transaction in one]
    assert users[0] == users[1] != users[2]
    assert users == [transaction.user_id for transaction in again]
    assert not set(users) & {transaction.user_id for transaction in other}
    assert all(user.isalpha() for user in users)


def test_a_short_file_out_of_order_is_sorted_with_its_own_row_numbers(opened):
    table = rows(4).take(pa.array([2, 0, 3, 1]))

    transactions, _ = all_of(opened(table, MINIMAL.replace("transaction_id: ID, ", "")))

    assert [one.user_id for one in transactions] == ["u-0", "u-1", "u-2", "u-3"]
    assert [one.transaction_id.rpartition("-")[2] for one in transactions] == ["1", "3", "0", "2"]


def test_a_long_file_out_of_order_is_refused_with_the_way_to_sort_it(opened, monkeypatch):
    monkeypatch.setattr(foreign_stream, "_SORTED_HERE", 3)

    with pytest.raises(
        MappingError, match=r"row 1 is earlier than one before it; sort the file first: .*sort_values\('AT'"
    ):
        opened(rows(4).take(pa.array([2, 0, 3, 1])))


def test_a_file_in_order_is_read_piece_by_piece(opened, monkeypatch):
    monkeypatch.setattr("storage.foreign_files._ROWS_PER_TABLE", 4)

    parts = list(opened(rows(10)).translated())

    assert [len(part.transactions) for part in parts] == [4, 4, 2]
    assert [one.user_id for part in parts for one in part.transactions] == [f"u-{at}" for at in range(10)]


@pytest.mark.parametrize(
    ("limit", "taken"),
    [
        pytest.param(None, 5, id="no limit"),
        pytest.param(timedelta(hours=2), 2, id="a payment at the very end of it is out"),
        pytest.param(timedelta(hours=2, microseconds=1), 3, id="just before the end is in"),
        pytest.param(timedelta(days=9), 5, id="longer than the file"),
    ],
)
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 0, 3, 1, 2]], ids=["in order", "out of order"])
def test_a_limit_takes_so_much_time_from_the_first_payment_on(opened, monkeypatch, limit, taken, order):
    monkeypatch.setattr("storage.foreign_files._ROWS_PER_TABLE", 2)

    payments = opened(rows(5).take(pa.array(order)), limit=limit)
    transactions, _ = all_of(payments)

    assert [one.user_id for one in transactions] == [f"u-{at}" for at in range(taken)]
    assert payments.survey.last == transactions[-1].event_time.timestamp() * 1e6


def test_a_shift_moves_payments_and_labels_alike(opened):
    mapping = MINIMAL + "label: {column: FRAUD, fraud: [1], delay: 1d}\n"
    payments = opened(rows(2, FRAUD=[0, 1]), mapping)

    transactions, (label,) = all_of(payments, shift=3_600_000_000)

    assert [one.event_time for one in transactions] == [START + timedelta(hours=1), START + timedelta(hours=2)]
    assert (label.event_time, label.reported_at) == (START + timedelta(hours=2), START + timedelta(days=1, hours=2))


def test_a_label_is_reported_when_the_file_says_else_after_the_delay(opened):
    reported = [
        (START + timedelta(days=days)).replace(tzinfo=None) if days is not None else None for days in (5, None, -1, 2)
    ]
    table = rows(4, FRAUD=["y", "y", "n", "?"], WHEN=pa.array(reported, pa.timestamp("us")))
    mapping = MINIMAL + "label: {column: FRAUD, fraud: [y], legitimate: [n], reported_at: WHEN, delay: 1h}\n"

    payments = opened(table, mapping)
    transactions, labels = all_of(payments)

    assert [(one.transaction_id, one.reported_at) for one in labels] == [
        ("t-0", START + timedelta(days=5)),
        ("t-1", START + timedelta(hours=2)),
        ("t-2", transactions[2].event_time),  # never before the payment itself
    ]
    assert payments.notes() == ["1 cells of label left empty, not known: ? (1)"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_a_csv_reads_as_the_same_payments(opened, delimiter):
    lines = [["ID", "USER", "AT", "AMOUNT", "HOW"], ["007", "u-0", "2018-04-01 12:00:00", "2.675", "pos"]]
    lines.append(["8", '"a\nb"', "2018-04-01 13:00:00+02:00", "3", ""])
    text = "\n".join(delimiter.join(line) for line in lines) + "\n"

    mapping = MINIMAL.replace("AMOUNT}", "AMOUNT, channel: HOW}") + "defaults: {channel: online}\n"
    transactions, _ = all_of(opened(text, mapping, name="foreign.csv"))

    assert [(one.transaction_id, one.user_id, one.amount, one.channel) for one in reversed(transactions)] == [
        ("007", "u-0", 2.68, Channel.POS),
        ("8", "a\nb", 3.0, Channel.ONLINE),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("", "neither Parquet nor readable CSV", id="an empty file"),
        pytest.param("PAR1 not really", "neither Parquet nor readable CSV", id="a broken Parquet file"),
        pytest.param("ID,USER,AT,AMOUNT\n1,2\n", "neither Parquet nor readable CSV", id="a line too short"),
        pytest.param("ID,USER,AT,AMOUNT,ID\n1,2,3,4,5\n", "column ID is there twice", id="a column twice"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(opened, content, said):
    with pytest.raises(MappingError, match=said) as caught:
        opened(content, name="foreign.csv")

    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(MappingError, match="cannot be read"):
        ForeignPayments(tmp_path / "no.parquet", HANDBOOK)


def test_rows_without_a_time_disturb_neither_order_nor_limit(opened):
    times = rows(4)["AT"].to_pylist()
    payments = opened(
        rows(4, AT=pa.array([times[0], None, times[1], times[2]], pa.timestamp("us"))), limit=timedelta(hours=2)
    )

    transactions, _ = all_of(payments)

    assert [one.user_id for one in transactions] == ["u-0", "u-2"]
    assert payments.notes() == ["1 rows left out: event_time cannot be read"]
    assert payments.survey.disorder_at is None
    assert np.array([one.event_time.timestamp() for one in transactions])[-1] * 1e6 == payments.survey.last
