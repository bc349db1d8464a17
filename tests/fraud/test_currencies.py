"""Minor units by currency, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.currencies import _NUMBER_BY_CODE, NO_CURRENCY, code_of, decimals, is_known, number, to_major, to_minor

codes = st.sampled_from(sorted(_NUMBER_BY_CODE))


@pytest.mark.parametrize(
    ("code", "iso_number", "places"),
    [
        ("JPY", 392, 0),
        ("EUR", 978, 2),
        ("USD", 840, 2),
        ("KWD", 414, 3),
        ("CLF", 990, 4),
        ("ISK", 352, 0),
        ("ALL", 8, 2),
    ],
)
def test_currencies_are_as_iso_4217_lists_them(code: str, iso_number: int, places: int) -> None:
    assert (number(code), decimals(code), code_of(iso_number)) == (iso_number, places, code)


@pytest.mark.parametrize("code", ["", "eur", "EU", "EURO", "ABC", "DEM", "BTC"])
def test_what_iso_4217_does_not_list_is_unknown(code: str) -> None:
    assert not is_known(code)
    with pytest.raises(KeyError):
        number(code)


def test_no_two_currencies_share_a_number_of_three_digits() -> None:
    assert len(set(_NUMBER_BY_CODE.values())) == len(_NUMBER_BY_CODE) > 160
    assert all(0 < value < 1_000 for value in _NUMBER_BY_CODE.values())
    assert is_known(NO_CURRENCY)


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [
        pytest.param(0.0, "EUR", 0, id="nothing"),
        pytest.param(10.01, "EUR", 1_001, id="cents"),
        pytest.param(1.005, "KWD", 1_005, id="fils"),
        pytest.param(100.0, "JPY", 100, id="yen"),
        pytest.param(0.5, "JPY", 0, id="half a yen, to even"),
        pytest.param(1.5, "JPY", 2, id="one and a half, to even"),
        pytest.param(0.125, "EUR", 12, id="half a cent, to even"),
        pytest.param(0.375, "EUR", 38, id="half a cent, to even above"),
    ],
)
def test_major_amounts_become_minor_units(amount: float, code: str, minor: int) -> None:
    assert to_minor(amount, code) == minor


@given(codes, st.integers(0, 10**15))
def test_every_amount_comes_back_from_its_decimal(code: str, minor: int) -> None:
    assert to_minor(to_major(minor, code), code) == minor
    assert to_minor(float(f"{minor / 10 ** decimals(code):.{decimals(code)}f}"), code) == minor
