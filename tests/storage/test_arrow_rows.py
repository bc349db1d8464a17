from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.batch import Batch, Mark, Polled
from fraud.decision import micros
from fraud.decoding import Intake, decode
from fraud.errors import UsageError
from fraud.schema import Channel, Initiator, Kind, Outcome, Transaction
from storage.arrow_rows import ArrowRows, batch_of_table
from storage.history import SCHEMA, table_of
from storage.mapping import TEXT_FIELDS
from tests.builders import NOON, transaction
from tests.storage.transactions import transactions

NUMBERS = ("amount", "available_amount", "original_amount", "latitude", "longitude", "account_opened_on")
COLUMNS = [field.name for field in fields(Batch) if field.name != "rows"]


def from_the_wire(made: list[Transaction], default_currency: str = "EUR") -> Batch:
    times = np.array([micros(one.event_time) for one in made], np.int64)
    polled = Polled(
        partition=np.full(len(made), 3, np.int64),
        offset=np.arange(100, 100 + len(made), dtype=np.int64),
        received_at=np.maximum.accumulate(times) if made else times,
        values=[msgspec.json.encode(one) for one in made],
    )
    exempt = frozenset({"transaction_id", "merchant_id"})
    decoded = decode(polled, Intake(topic="transactions", default_currency=default_currency, exempt=exempt))
    assert decoded.dead == []
    return decoded.batch


def coded(table: pa.Table) -> pa.Table:
    """The same with every text dictionary coded, and in several chunks, as files come."""
    columns = [
        column.dictionary_encode() if pa.types.is_string(column.type) else column for column in table.itercolumns()
    ]
    whole = pa.table(columns, names=table.column_names)
    return pa.concat_tables([whole.slice(0, 2), whole.slice(2)])


@given(st.lists(transactions(), max_size=8), st.booleans(), st.sampled_from(["EUR", "JPY"]))
@settings(max_examples=150, deadline=None)
def test_a_batch_from_parquet_equals_the_batch_from_the_wire(made, is_coded, default_currency):
    made = [one for one in made if one.currency or default_currency == "EUR"]
    table = coded(table_of(made)) if is_coded else table_of(made)

    batch = batch_of_table(table, default_currency, first_offset=100, partition=3)

    wire = from_the_wire(made, default_currency)
    for name in COLUMNS:
        assert getattr(batch, name).tolist() == getattr(wire, name).tolist(), name
        assert getattr(batch, name).dtype == getattr(wire, name).dtype, name


@given(st.lists(transactions(), max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_rows_say_the_same_as_transactions(made, is_coded):
    rows = ArrowRows(coded(table_of(made)) if is_coded else table_of(made))

    for name in TEXT_FIELDS:
        column = rows.text(name)
        said = [column.words[code] if there else None for code, there in zip(column.codes, column.present, strict=True)]
        assert said == [getattr(one, name) for one in made], name
    for name in NUMBERS:
        numbers = rows.number(name)
        wanted = [getattr(one, name) for one in made]
        assert numbers.present.tolist() == [value is not None for value in wanted], name
        assert [value for value, there in zip(numbers.values, numbers.present, strict=True) if there] == [
            (value - date(1970, 1, 1)).days if isinstance(value, date) else value
            for value in wanted
            if value is not None
        ]
    assert [rows.transaction(row) for row in range(len(rows))] == made


@pytest.mark.parametrize(
    ("fields_given", "marks"),
    [
        pytest.param({}, Mark.ATTEMPT | Mark.SPEND, id="nothing said: an approved purchase"),
        pytest.param({"kind": Kind.REFUND}, Mark(0), id="a refund"),
        pytest.param({"kind": Kind.VERIFICATION}, Mark.ATTEMPT, id="a verification spends nothing"),
        pytest.param({"outcome": Outcome.DECLINED}, Mark.ATTEMPT | Mark.DECLINED, id="a declined payment"),
        pytest.param(
            {"channel": Channel.POS, "latitude": 1.0, "longitude": 2.0},
            Mark.ATTEMPT | Mark.SPEND | Mark.CARD_PRESENT | Mark.PHYSICAL,
            id="the card is at a place",
        ),
        pytest.param(
            {"channel": Channel.POS, "latitude": 1.0, "longitude": 2.0, "initiated_by": Initiator.MERCHANT},
            Mark.ATTEMPT | Mark.SPEND | Mark.CARD_PRESENT,
            id="a merchant started it: nobody is there",
        ),
        pytest.param(
            {"channel": Channel.ONLINE, "latitude": 1.0, "longitude": 2.0},
            Mark.ATTEMPT | Mark.SPEND | Mark.REMOTE,
            id="online there is no place",
        ),
    ],
)
def test_marks_of(fields_given, marks):
    batch = batch_of_table(table_of([msgspec.structs.replace(transaction(), **fields_given)]), "EUR")

    assert batch.marks.tolist() == [int(marks)]


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        pytest.param(1000.0, "JPY", 1000, id="no decimals"),
        pytest.param(0.29, "EUR", 29, id="binary fractions do not lose a cent"),
        pytest.param(4.35, "EUR", 435, id="nor this one"),
        pytest.param(1.005, "KWD", 1005, id="three decimals"),
        pytest.param(0.0, "EUR", 0, id="zero"),
        pytest.param(9_999_999_999_999.99, "EUR", 999_999_999_999_999, id="as much as there can be"),
    ],
)
def test_amounts_become_minor_units(amount, currency, minor):
    batch = batch_of_table(table_of([transaction(amount=amount, currency=currency)]), "EUR")

    assert batch.amount.tolist() == [minor]


def test_only_the_required_columns_are_needed():
    table = pa.table({"transaction_id": ["t"], "user_id": ["u"], "event_time": [NOON], "amount": [12.5]})

    batch = batch_of_table(table, "EUR")

    assert (batch.amount.tolist(), batch.utc_offset.tolist(), batch.currency.tolist()) == ([1250], [0], [978])
    assert batch.rows.transaction(0) == transaction(transaction_id="t", user_id="u", amount=12.5)
    assert batch.rows.text("city").present.tolist() == [False]
    assert batch.rows.number("latitude").present.tolist() == [False]


def test_the_moment_of_receipt_is_a_running_maximum_over_any_cut():
    made = [transaction(after=after) for after in (60, 30, 90, 80)]
    table = table_of(made)

    whole = batch_of_table(table, "EUR")
    first = batch_of_table(table.slice(0, 1), "EUR")
    rest = batch_of_table(table.slice(1), "EUR", first_offset=1, not_before=int(first.received_at[-1]))

    start = micros(NOON)
    assert ((whole.received_at - start) // 1_000_000).tolist() == [60, 60, 90, 90]
    assert [*first.received_at, *rest.received_at] == whole.received_at.tolist()
    assert [*first.offset, *rest.offset] == whole.offset.tolist()


def test_a_file_that_knows_when_it_received_is_believed():
    table = table_of([transaction(), transaction()]).append_column(
        "received_at", pa.array([NOON + timedelta(hours=1), NOON], pa.timestamp("us", "UTC"))
    )

    assert (batch_of_table(table, "EUR").received_at - micros(NOON)).tolist() == [3_600_000_000] * 2


def test_the_offset_is_kept_with_the_moment():
    tokyo = timezone(timedelta(hours=9))
    made = transaction(event_time=datetime(2026, 3, 2, 3, tzinfo=tokyo))

    batch = batch_of_table(table_of([made]), "EUR")

    assert batch.utc_offset.tolist() == [540]
    assert batch.event_time.tolist() == [micros(datetime(2026, 3, 1, 18, tzinfo=UTC))]
    assert batch.rows.transaction(0).event_time.utcoffset() == timedelta(hours=9)


@pytest.mark.parametrize(
    ("fields_given", "said"),
    [
        pytest.param({"currency": "ZZZ"}, "ZZZ", id="an unknown currency"),
        pytest.param({"kind": "gift"}, "gift", id="an unknown kind"),
        pytest.param({"channel": "moto"}, "pos, atm, online, transfer", id="an unknown channel"),
    ],
)
def test_a_word_that_no_payment_can_have_is_one_line(fields_given, said):
    with pytest.raises(UsageError, match=said):
        batch_of_table(table_of([msgspec.structs.replace(transaction(), **fields_given)]), "EUR")


def test_a_table_of_something_else_is_one_line():
    with pytest.raises(UsageError, match="event_time"):
        batch_of_table(pa.table({"a": [1]}), "EUR")


def test_no_rows_are_an_empty_batch():
    assert len(batch_of_table(SCHEMA.empty_table(), "EUR")) == 0
