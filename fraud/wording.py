"""Numbers as people read them, rounded so that what is said stays true."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from fraud.currencies import decimals

_ROUNDING = {"≤": ROUND_FLOOR, "<": ROUND_FLOOR, "≥": ROUND_CEILING, ">": ROUND_CEILING}


def number(value: float, relation: str = "=") -> str:
    """A number with at most 2 decimals (4 below 1); after ≤ or < rounded down, after ≥ or > up.

    >>> number(1234.5), number(6.0), number(0.0213)
    ('1,234.50', '6', '0.0213')
    >>> number(812.0099, "≤"), number(812.0011, "≥")
    ('812.00', '812.01')
    """
    # repr is the shortest text of the float: 812.3 stays 812.30 and is not cut to 812.29.
    exact = Decimal(repr(float(value)))
    if exact == exact.to_integral_value():
        return f"{exact:,.0f}"
    places = Decimal("0.01") if abs(exact) >= 1 else Decimal("0.0001")
    return f"{exact.quantize(places, rounding=_ROUNDING.get(relation, ROUND_HALF_EVEN)):,}"


def money(amount: float, currency: str) -> str:
    """An amount in major units with the currency's own decimals.

    >>> money(1000, "EUR"), money(1000, "JPY")
    ('1,000.00 EUR', '1,000 JPY')
    """
    return f"{amount:,.{decimals(currency)}f} {currency}"


def percent(share: float) -> str:
    """A share of 0 to 1 as a percentage.

    >>> percent(0.02), percent(0.125)
    ('2 %', '12.5 %')
    """
    return f"{(Decimal(repr(float(share))) * 100).quantize(Decimal('0.0001')).normalize():f} %"


def duration(seconds: float) -> str:
    """The largest two units of a time span.

    >>> duration(45), duration(2100), duration(5400), duration(200000)
    ('45 s', '35 min', '1 h 30 min', '2 d 7 h')
    """
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{left} s"


def listed(words: Iterable[str], last: str = "and") -> str:
    """Words in a row.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else end
