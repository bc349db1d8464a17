"""Amounts as people read them: always with their currency, with as many decimals as it has."""

from fraud.currencies import NO_CURRENCY, decimals


def money(amount: float, currency: str | None) -> str:
    """`EUR 1,234.50`, `JPY 1,235`; an absent currency leaves the number alone."""
    if currency is None or currency == NO_CURRENCY:
        return f"{amount:,.2f}"
    return f"{currency} {amount:,.{decimals(currency)}f}"


def short_money(amount: float, currency: str | None) -> str:
    """For counters: four significant places from a hundred thousand on, `EUR 1.23M`."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e5, "k")):
        if abs(amount) >= limit:
            divisor = 1e3 if unit == "k" else limit
            return f"{_prefix(currency)}{amount / divisor:,.4g}{unit}"
    return money(amount, currency)


def _prefix(currency: str | None) -> str:
    return "" if currency is None or currency == NO_CURRENCY else f"{currency} "
