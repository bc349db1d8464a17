"""Payments and labels of a foreign file, through its mapping: table by table, and what could not be taken over is counted."""

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa

from fraud.card_numbers import masked
from fraud.columns import Bools, Ints
from fraud.currencies import decimals
from fraud.decision import moment
from fraud.schema import Label, LabelSource, LabelValue, Transaction
from storage.foreign_binding import Binding
from storage.foreign_columns import amounts_of, numbers_of, words_of
from storage.foreign_times import Moments, moments_of
from storage.mapping import TEXT_FIELDS, word_of

_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_HIGHEST = {"latitude": 90.0, "longitude": 180.0, "available_amount": 1e15, "original_amount": 1e15}
_LOWEST = {"latitude": -90.0, "longitude": -180.0, "available_amount": -1e15, "original_amount": 0.0}
_DAY = len("2020-01-01")
_LONGEST = 256
_NOISE = 1e-9
"""Less than this between two amounts is binary arithmetic, not a decimal."""
_PLACES = 2
"""Decimals of an amount without a currency."""
_SOURCE_BY_LABEL = {LabelValue.FRAUD: LabelSource.FRAUD_REPORT, LabelValue.LEGITIMATE: LabelSource.CUSTOMER}
Column = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """Payments of one table in its order, and what becomes known of them later."""

    transactions: Sequence[Transaction]
    event_time: Ints
    """Of each transaction, microseconds since the epoch."""
    labels: Sequence[Label]


@dataclass(slots=True)
class Counts:
    """What a translation could not take over as it stands."""

    rows: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    """Rows left out, by the first required field that could not be read."""
    unknown: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Cells left empty, by field and word."""
    rounded: int = 0
    """Amounts with more decimals than their currency."""

    def lines(self) -> list[str]:
        """One line each, for people."""
        lines = [f"{count} rows left out: {name} cannot be read" for name, count in sorted(self.unreadable.items())]
        for name, words in sorted(self.unknown.items()):
            shown = ", ".join(f"{masked(word)} ({count})" for word, count in words.most_common(5))
            lines += [f"{words.total()} cells of {name} left empty, not known: {shown}"] if words else []
        return lines + ([f"{self.rounded} amounts rounded half-even"] if self.rounded else [])


class Translator:
    """Turns tables of a foreign file into transactions and labels."""

    def __init__(self, binding: Binding) -> None:
        """Tables must have the columns that the binding names."""
        self.counts = Counts()
        self._binding = binding
        self._cache: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._zones: dict[int, timezone] = {}

    def translate(self, table: pa.Table, rows: Ints, shift: int = 0) -> Translated:
        """Rows numbered as they lie in the file, moved `shift` microseconds in time.

        Raises MappingError when not one row of the first table can be read: then the mapping is wrong, not the data.
        """
        moments = self._moments(table, "event_time")
        fields = self._fields(table, rows)
        readable = self._readable(table, moments, fields)
        kept = {name: list(compress(column, readable)) for name, column in fields.items()}
        times = self._times(moments, readable, shift)
        names = ("event_time", *kept)
        rows_of_values = zip(times, *kept.values(), strict=True)
        transactions = [Transaction(**dict(zip(names, values, strict=True))) for values in rows_of_values]
        return Translated(
            transactions=transactions,
            event_time=moments.micros[readable] + shift,
            labels=self._labels(table, readable, transactions, shift),
        )

    def _fields(self, table: pa.Table, rows: Ints) -> dict[str, Column]:
        """Columns by field; in each, None where absent."""
        sources = self._binding.sources
        fields: dict[str, Column] = {name: [value] * len(table) for name, value in self._binding.defaults.items()}
        for name in sources:
            if name in TEXT_FIELDS:
                fields[name] = self._texts(name, table[sources[name]])
            elif name in _HIGHEST:
                fields[name] = self._numbers(name, table[sources[name]])
            elif name == "account_opened_on":
                fields[name] = self._texts(name, table[sources[name]])
        if "latitude" in sources:
            self._drop_half_places(fields)
        if "transaction_id" not in sources:
            fields["transaction_id"] = [f"{self._binding.tag}-{row}" for row in rows.tolist()]
        fields["amount"] = self._amounts(table[sources["amount"]], fields.get("currency"))
        return fields

    def _texts(self, name: str, column: pa.ChunkedArray) -> Column:
        words = words_of(column)
        cache, default = self._cache[name], self._binding.defaults.get(name)
        for word, count in words.counts().items():
            if word not in cache:
                cache[word] = self._value(name, word)
            if cache[word] is None:
                self.counts.unknown[name][word] += count
        values = words.values(cache.__getitem__)
        if len(cache) > 1_000_000:
            cache.clear()
        return values if default is None else [default if value is None else value for value in values]

    def _value(self, name: str, word: str) -> Any:
        """A cell's word in our terms; None for one that the field cannot have."""
        word = self._binding.file.mapping.values.get(name, {}).get(word, word)
        if name in self._binding.file.mapping.tokenise:
            return hmac.new(self._binding.key, word.encode(), hashlib.sha256).hexdigest()[:32].translate(_LETTERS)
        if name in {"mcc", "card_last4"}:
            word = word.zfill(4)  # a file that keeps codes as numbers has lost their zeros
        if name == "account_opened_on":
            word = word[:_DAY]
        try:
            return word_of(name, word)
        except ValueError:
            return None

    def _numbers(self, name: str, column: pa.ChunkedArray) -> Column:
        numbers, present = numbers_of(column)
        fits = present & (numbers >= _LOWEST[name]) & (numbers <= _HIGHEST[name])
        outside = int(np.count_nonzero(present & ~fits))
        if outside:
            self.counts.unknown[name]["out of range"] += outside
        default = self._binding.defaults.get(name)
        return [value if fit else default for value, fit in zip(numbers.tolist(), fits.tolist(), strict=True)]

    def _drop_half_places(self, fields: dict[str, Column]) -> None:
        whole = [None not in place for place in zip(fields["latitude"], fields["longitude"], strict=True)]
        for name in ("latitude", "longitude"):
            fields[name] = [value if both else None for value, both in zip(fields[name], whole, strict=True)]

    def _amounts(self, column: pa.ChunkedArray, currencies: Column | None) -> Column:
        codes = currencies or [None] * len(column)
        places = np.array([_PLACES if code is None else decimals(code) for code in codes], np.int64)
        amounts, present = amounts_of(column, places)
        written, _ = numbers_of(column)
        self.counts.rounded += int(np.count_nonzero(present & (np.abs(written - amounts) > _NOISE)))
        return [
            amount if is_there else None for amount, is_there in zip(amounts.tolist(), present.tolist(), strict=True)
        ]

    def _readable(self, table: pa.Table, moments: Moments, fields: Mapping[str, Column]) -> Bools:
        readable = np.ones(len(table), np.bool_)
        present = {name: _present(fields[name]) for name in ("transaction_id", "user_id", "amount")}
        for name, there in {**present, "event_time": moments.present & (moments.micros >= 0)}.items():
            lost = readable & ~there
            self.counts.unreadable[name] += int(np.count_nonzero(lost))
            readable &= there
            if self.counts.rows == 0 and len(table) and not readable.any():
                example = table[self._binding.sources[name]][int(np.flatnonzero(lost)[0])].as_py()
                raise self._binding.file.error(
                    ("columns", name), f"no row can be read; the first holds {masked(repr(example))}"
                )
        self.counts.rows += len(table)
        self.counts.unreadable += Counter()  # drops the zeros
        return readable

    def _times(self, moments: Moments, readable: Bools, shift: int) -> list[datetime]:
        micros, offsets = moments.micros[readable] + shift, moments.offset[readable]
        local = (micros + offsets * 60_000_000).view("datetime64[us]").tolist()
        zones = {minutes: timezone(timedelta(minutes=minutes)) for minutes in np.unique(offsets).tolist()}
        return [time.replace(tzinfo=zones[minutes]) for time, minutes in zip(local, offsets.tolist(), strict=True)]

    def _labels(self, table: pa.Table, readable: Bools, transactions: Sequence[Transaction], shift: int) -> list[Label]:
        label = self._binding.label
        if label is None:
            return []
        truths = words_of(table[label.column])
        said = list(compress(truths.values(self._said), readable))
        if label.legitimate:
            self.counts.unknown["label"].update(
                {word: n for word, n in truths.counts().items() if self._said(word) is None}
            )
        scenario = self._binding.file.mapping.scenario
        types = words_of(table[scenario]).values(str) if scenario else [None] * len(table)
        reported = list(compress(self._reported(table, shift), readable))
        found = zip(transactions, said, reported, compress(types, readable), strict=True)
        return [
            _label(transaction, value, reported_at or transaction.event_time + (label.delay or timedelta()), fraud_type)
            for transaction, value, reported_at, fraud_type in found
            if value is not None and (reported_at is not None or label.delay is not None)
        ]

    def _said(self, word: str) -> LabelValue | None:
        label = self._binding.label
        if label is None:
            return None
        if word in label.fraud or word in map(str.lower, label.fraud):
            return LabelValue.FRAUD
        if word in label.legitimate or word in map(str.lower, label.legitimate):
            return LabelValue.LEGITIMATE
        return None

    def _reported(self, table: pa.Table, shift: int) -> Sequence[datetime | None]:
        label = self._binding.label
        if label is None or label.reported_at is None:
            return [None] * len(table)
        moments = moments_of(table[label.reported_at], self._binding.time)
        return [
            moment(micros + shift) if there else None
            for micros, there in zip(moments.micros.tolist(), moments.present, strict=True)
        ]

    def _moments(self, table: pa.Table, name: str) -> Moments:
        try:
            return moments_of(table[self._binding.sources[name]], self._binding.time)
        except ValueError as error:
            raise self._binding.file.error(("columns", name), str(error)) from error


def _label(transaction: Transaction, value: LabelValue, reported_at: datetime, fraud_type: str | None) -> Label:
    return Label(
        transaction_id=transaction.transaction_id,
        user_id=transaction.user_id,
        source=_SOURCE_BY_LABEL[value],
        label=value,
        event_time=transaction.event_time,
        reported_at=max(reported_at, transaction.event_time),
        fraud_type=fraud_type[:_LONGEST] if fraud_type and value is LabelValue.FRAUD else None,
    )


def _present(column: Column) -> Bools:
    return np.fromiter((value is not None for value in column), np.bool_, len(column))
