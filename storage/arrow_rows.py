"""Payments in an Arrow table as the batch that the engine judges: the same columns as the wire gives, without a loop over rows."""

from collections.abc import Callable, Mapping
from datetime import timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from fraud.batch import Batch, Mark
from fraud.columns import Bools, Hashes, Ints, NumberColumn, TextColumn
from fraud.currencies import decimals, is_known, number
from fraud.errors import UsageError
from fraud.payload import payloads
from fraud.schema import Channel, Initiator, Kind, Outcome, Transaction
from storage.history import MOMENT

_OPTIONAL = [name for name in Transaction.__struct_fields__ if name != "event_time"]
_SPENDING = Mark.ATTEMPT | Mark.SPEND
_MARKS_BY_KIND = {
    Kind.PURCHASE: _SPENDING,
    Kind.CASH: _SPENDING,
    Kind.TRANSFER: _SPENDING,
    Kind.VERIFICATION: Mark.ATTEMPT,
    Kind.REFUND: Mark(0),
    Kind.REVERSAL: Mark(0),
}
_MARKS_BY_CHANNEL = {
    Channel.POS: Mark.CARD_PRESENT,
    Channel.ATM: Mark.CARD_PRESENT,
    Channel.ONLINE: Mark.REMOTE,
    Channel.TRANSFER: Mark.REMOTE,
}


class ArrowRows:
    """`fraud.batch.Rows` over a table with columns of `storage.history.SCHEMA`; a column that is missing is absent."""

    def __init__(self, table: pa.Table) -> None:
        """Texts may be plain or dictionary coded. Columns are decoded when they are first asked for."""
        self._table = table
        self._texts: dict[str, TextColumn] = {}
        self._numbers: dict[str, NumberColumn] = {}

    def __len__(self) -> int:
        """How many transactions."""
        return len(self._table)

    def transaction(self, row: int) -> Transaction:
        """One transaction whole, with the UTC offset it was written with."""
        fields = {name: self._value(name, row) for name in _OPTIONAL}
        zone = timezone(timedelta(minutes=self._value("utc_offset", row) or 0))
        fields["event_time"] = self._value("event_time", row).astimezone(zone)
        return msgspec.convert({name: value for name, value in fields.items() if value is not None}, Transaction)

    def text(self, name: str) -> TextColumn:
        """A text field by name."""
        if name not in self._texts:
            self._texts[name] = _text_column(self._column(name, pa.string()))
        return self._texts[name]

    def number(self, name: str) -> NumberColumn:
        """A number field by name; `account_opened_on` as days since the epoch."""
        if name not in self._numbers:
            self._numbers[name] = _number_column(self._column(name, pa.float64()))
        return self._numbers[name]

    def micros(self, name: str) -> Ints | None:
        """A moment as microseconds since the epoch; None where the table has no such column."""
        if name not in self._table.column_names:
            return None
        micros: Ints = _array(self._table[name].cast(MOMENT).cast(pa.int64())).to_numpy()
        return micros

    def integers(self, name: str) -> Ints | None:
        """A column of whole numbers without absences; None where the table has no such column."""
        if name not in self._table.column_names:
            return None
        integers: Ints = _array(self._table[name].cast(pa.int64())).to_numpy()
        return integers

    def utf8(self, name: str) -> npt.NDArray[np.object_]:
        """A text field as bytes, row by row: for identifiers that do not repeat."""
        encoded: npt.NDArray[np.object_] = _array(self._column(name, pa.string()).cast(pa.binary())).to_numpy(
            zero_copy_only=False
        )
        return encoded

    def _column(self, name: str, absent: pa.DataType) -> pa.ChunkedArray:
        if name in self._table.column_names:
            return self._table[name]
        return pa.chunked_array([pa.nulls(len(self), absent)])

    def _value(self, name: str, row: int) -> Any:
        return self._table[name][row].as_py() if name in self._table.column_names else None


def batch_of_table(
    table: pa.Table, default_currency: str, first_offset: int = 0, partition: int = 0, not_before: int = 0
) -> Batch:
    """A batch of rows in their order of arrival.

    Partitions and offsets are the table's where it has both; else rows are numbered from `first_offset`. `received_at` is the
    file's, else the event time, as a running maximum from `not_before` on (pass the last `received_at` of the table before,
    and any cut into tables gives the same batches). Raises UsageError for a word that no payment can have, such as an unknown
    currency.
    """
    rows = ArrowRows(table)
    event_time = rows.micros("event_time")
    if event_time is None:
        raise UsageError("a table of payments needs the columns transaction_id, user_id, event_time and amount")
    received_at = rows.micros("received_at")
    partitions, offsets = rows.integers("partition"), rows.integers("offset")
    if partitions is None or offsets is None:
        partitions = np.full(len(rows), partition, np.int64)
        offsets = np.arange(first_offset, first_offset + len(rows), dtype=np.int64)
    columns = _kept_columns(rows, default_currency)
    return Batch(
        rows=rows,
        partition=partitions,
        offset=offsets,
        received_at=_running_maximum(event_time if received_at is None else received_at, not_before),
        event_time=event_time,
        user=_hashes(rows.text("user_id")),
        transaction=np.fromiter(map(xxhash.xxh3_64_intdigest, rows.utf8("transaction_id")), np.uint64, len(rows)),
        payload=payloads(**(columns | _as_written(rows))),
        **columns,
    )


def _kept_columns(rows: ArrowRows, default_currency: str) -> dict[str, Any]:
    """Everything that memory keeps of a payment, and that a redelivery must repeat."""
    currency = rows.text("currency")
    for word in (*currency.words, default_currency):
        if not is_known(word):
            raise UsageError(f"currency {word!r} is not an ISO 4217 code")
    scale = _by_word(currency, lambda word: 10 ** decimals(word), 10 ** decimals(default_currency))
    return {
        "utc_offset": rows.number("utc_offset").values.astype(np.int64),
        "amount": np.rint(rows.number("amount").values * scale).astype(np.int64),
        "currency": _by_word(currency, number, number(default_currency)),
        "marks": _marks(rows),
        "card": _hashes(rows.text("card_token")),
        "merchant": _hashes(rows.text("merchant_id")),
        "device": _hashes(rows.text("device_id")),
        "country": _by_word(rows.text("country"), _letters, 0),
        "mcc": _by_word(rows.text("mcc"), int, 0),
        "latitude": np.rint(rows.number("latitude").values * 1e7).astype(np.int64),
        "longitude": np.rint(rows.number("longitude").values * 1e7).astype(np.int64),
    }


def _as_written(rows: ArrowRows) -> dict[str, Any]:
    """Amount and currency as the payment named them, whatever the default currency is."""
    currency = rows.text("currency")
    return {"amount": rows.number("amount").values + 0.0, "currency": _by_word(currency, number, 0)}


def _marks(rows: ArrowRows) -> Ints:
    marks = _by_word(rows.text("kind"), lambda word: _known("kind", word, _MARKS_BY_KIND), int(_SPENDING))
    marks |= _by_word(rows.text("channel"), lambda word: _known("channel", word, _MARKS_BY_CHANNEL), 0)
    declined = _equals(rows.text("outcome"), Outcome.DECLINED)
    marks[declined] = marks[declined] & ~int(Mark.SPEND) | int(Mark.DECLINED)
    placed = rows.number("latitude").present & rows.number("longitude").present
    by_customer = ~_equals(rows.text("initiated_by"), Initiator.MERCHANT)
    marks[((marks & int(Mark.CARD_PRESENT)) != 0) & ~declined & placed & by_customer] |= int(Mark.PHYSICAL)
    for name, mark in _PRESENCE.items():
        marks[rows.text(name).present] |= int(mark)
    return marks


_PRESENCE = {
    "card_token": Mark.HAS_CARD,
    "merchant_id": Mark.HAS_MERCHANT,
    "device_id": Mark.HAS_DEVICE,
    "country": Mark.HAS_COUNTRY,
    "mcc": Mark.HAS_MCC,
}


def _by_word(column: TextColumn, value: Callable[[str], int], absent: int) -> Ints:
    """One number per row: asked once for each distinct word."""
    if not column.words:
        return np.full(len(column), absent, np.int64)
    values = np.fromiter(map(value, column.words), np.int64, len(column.words))
    return np.where(column.present, values[column.codes], np.int64(absent))


def _hashes(column: TextColumn) -> Hashes:
    if not column.words:
        return np.zeros(len(column), np.uint64)
    hashes = np.fromiter(
        (xxhash.xxh3_64_intdigest(word.encode()) for word in column.words), np.uint64, len(column.words)
    )
    return np.where(column.present, hashes[column.codes], np.uint64(0))


def _equals(column: TextColumn, word: str) -> Bools:
    if word not in column.words:
        return np.zeros(len(column), np.bool_)
    equal: Bools = column.present & (column.codes == column.words.index(word))
    return equal


def _known(name: str, word: str, marks: Mapping[Kind, Mark] | Mapping[Channel, Mark]) -> int:
    for known, mark in marks.items():
        if word == known:
            return int(mark)
    raise UsageError(f"{name} {word!r} is not one of {', '.join(marks)}")


def _letters(word: str) -> int:
    return 256 * ord(word[0]) + ord(word[1])


def _running_maximum(moments: Ints, not_before: int) -> Ints:
    return np.maximum.accumulate(np.maximum(moments, not_before)) if len(moments) else moments


def _text_column(column: pa.ChunkedArray) -> TextColumn:
    coded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    array = _array(coded.unify_dictionaries())
    codes = array.indices.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return TextColumn(tuple(array.dictionary.to_pylist()), codes, _present(array))


def _number_column(column: pa.ChunkedArray) -> NumberColumn:
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    array = _array(column.cast(pa.float64()))
    return NumberColumn(array.fill_null(0.0).to_numpy(zero_copy_only=False), _present(array))


def _present(array: pa.Array) -> Bools:
    present: Bools = array.is_valid().to_numpy(zero_copy_only=False)
    return present


def _array(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)
