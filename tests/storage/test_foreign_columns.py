from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.foreign_columns import amounts_of, numbers_of, words_of


def column(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        pytest.param(["a", None, "a", ""], None, ["a", None, "a", None], id="texts, empty ones absent"),
        pytest.param([596, None, 0], pa.int32(), ["596", None, "0"], id="whole numbers"),
        pytest.param([596.0, float("nan"), 1.5], None, ["596", None, "1.5"], id="whole numbers kept as fractions"),
        pytest.param([True, False], None, ["true", "false"], id="booleans"),
        pytest.param([date(2018, 4, 1)], None, ["2018-04-01"], id="dates"),
        pytest.param([Decimal("1.50")], None, ["1.50"], id="decimals"),
        pytest.param([b"\xc3\xa9"], pa.binary(), ["é"], id="bytes"),
        pytest.param([None, None], pa.string(), [None, None], id="nothing at all"),
        pytest.param([], pa.string(), [], id="no rows"),
    ],
)
def test_any_column_reads_as_words(values, kind, words):
    assert words_of(column(values, kind)).values(str) == words
    if kind != pa.binary() and not any(isinstance(value, float | Decimal) for value in values):
        assert words_of(column(values, kind).dictionary_encode()).values(str) == words


def test_words_are_counted_with_their_rows():
    assert words_of(column(["a", "b", "a", None])).counts() == {"a": 2, "b": 1}


def test_what_is_no_finite_number_is_absent():
    numbers, present = numbers_of(column(["1.5", "x", None, "inf", " 2 "]))

    assert present.tolist() == [True, False, False, False, True]
    assert numbers[present].tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("written", "places", "amount"),
    [
        pytest.param("12.30", 2, 12.3, id="as the currency has it"),
        pytest.param("0.125", 2, 0.12, id="a half goes to the even cent below"),
        pytest.param("0.135", 2, 0.14, id="a half goes to the even cent above"),
        pytest.param("1.015", 2, 1.02, id="a half that binary puts below"),
        pytest.param("2.675", 2, 2.68, id="a half that binary hits by chance"),
        pytest.param("0.1251", 2, 0.13, id="just over a half"),
        pytest.param("100.5", 0, 100.0, id="no decimals"),
        pytest.param("1.0005", 3, 1.0, id="three decimals"),
        pytest.param("0", 2, 0.0, id="zero"),
        pytest.param("-0.01", 2, None, id="less than nothing"),
        pytest.param("1e30", 2, None, id="more than anything"),
        pytest.param("twelve", 2, None, id="no number"),
        pytest.param(None, 2, None, id="an empty cell"),
    ],
)
def test_amounts_are_rounded_half_even(written, places, amount):
    for cell in [written] if amount is None or written is None else [written, float(written), Decimal(written)]:
        amounts, present = amounts_of(column([cell], pa.string() if cell is None else None), np.array([places]))

        assert (amounts.tolist() if present[0] else [None]) == [amount]


@given(st.integers(0, 10**7), st.sampled_from([0, 2, 3]))
@settings(deadline=None)
def test_rounding_a_half_equals_decimal_arithmetic(even, places):
    written = Decimal(10 * even + 5).scaleb(-places - 1)

    amounts, _ = amounts_of(column([str(written)]), np.array([places]))

    assert amounts.tolist() == [float(written.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN))]
