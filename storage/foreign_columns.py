"""Cells of a foreign file as values of our fields: texts word by word, numbers, and amounts rounded half-even."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fraud.columns import Bools, Floats, Ints
from fraud.decoding import MAX_MINOR

_TIE = 1e-6


@dataclass(frozen=True, slots=True)
class Words:
    """n cells as texts, dictionary coded; an empty cell and NaN are absent."""

    words: Sequence[str | None]
    codes: Ints

    def values(self, value: Callable[[str], Any]) -> list[Any]:
        """One value per cell, asked once for each distinct word; None where absent."""
        known = [None if word is None else value(word) for word in self.words]
        return [known[code] for code in self.codes.tolist()]

    def counts(self) -> dict[str, int]:
        """How often each word is there."""
        counted = np.bincount(self.codes, minlength=len(self.words)).tolist()
        return {word: count for word, count in zip(self.words, counted, strict=True) if word is not None and count}


def words_of(column: pa.ChunkedArray) -> Words:
    """Any column as texts: 12.0 is "12", a boolean "true" or "false", a moment ISO 8601."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    array = coded.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    words = [_word(value) for value in array.dictionary.to_pylist()]
    absent = len(words)
    return Words([*words, None], array.indices.cast(pa.int64()).fill_null(absent).to_numpy(zero_copy_only=False))


def numbers_of(column: pa.ChunkedArray) -> tuple[Floats, Bools]:
    """Any column as float64 and a mask; what is no finite number is absent."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = column.cast(pa.float64()).to_numpy()
    else:
        texts = pd.Series([_word(value) for value in column.to_pylist()], dtype="str")
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    present = np.isfinite(numbers)
    return np.where(present, numbers, 0.0), present


def amounts_of(column: pa.ChunkedArray, places: Ints) -> tuple[Floats, Bools]:
    """Amounts rounded half-even to `places` decimals row by row; negative, absurd and unreadable ones are absent.

    Halves are decided on the decimal that is written (of a float, the shortest that reads back equal), not on its binary value.
    """
    numbers, present = numbers_of(column)
    scale = 10.0**places
    scaled = numbers * scale
    present = present & (scaled >= 0) & (scaled <= MAX_MINOR)
    minor = np.rint(np.where(present, scaled, 0.0))
    near_half = np.flatnonzero(present & (np.abs(scaled - np.floor(scaled) - 0.5) < _TIE))
    for row in near_half.tolist():
        minor[row] = _half_even(column[row].as_py(), int(places[row]))
    return minor / scale, present


def _half_even(cell: Any, places: int) -> float:
    text = repr(cell) if isinstance(cell, float) else str(cell)
    try:
        return float(Decimal(text).scaleb(places).to_integral_value(ROUND_HALF_EVEN))
    except InvalidOperation:  # a number to pandas alone, such as one with blanks around it
        return float(Decimal(repr(float(text))).scaleb(places).to_integral_value(ROUND_HALF_EVEN))


def _word(value: Any) -> str | None:
    if value is None or value != value or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
