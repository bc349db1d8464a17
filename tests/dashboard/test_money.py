import pytest

from dashboard.money import money, short_money


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        pytest.param(1234.5, "EUR", "EUR 1,234.50", id="two decimals"),
        pytest.param(1234.0, "JPY", "JPY 1,234", id="a currency without decimals"),
        pytest.param(1.5, "KWD", "KWD 1.500", id="a currency with three"),
        pytest.param(12.0, None, "12.00", id="no currency"),
        pytest.param(12.0, "XXX", "12.00", id="the code for no currency"),
    ],
)
def test_money_is_said_with_its_currency_and_as_many_decimals_as_it_has(amount, currency, words):
    assert money(amount, currency) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        pytest.param(99_999.99, "EUR 99,999.99", id="just under a hundred thousand"),
        pytest.param(100_000.0, "EUR 100k", id="a hundred thousand"),
        pytest.param(1_234_567.0, "EUR 1.235M", id="millions"),
        pytest.param(2.5e9, "EUR 2.5B", id="billions"),
    ],
)
def test_large_amounts_are_short_in_counters(amount, words):
    assert short_money(amount, "EUR") == words
