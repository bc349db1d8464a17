"""From a price in euros to what is billed: price level, habits of rounding, and another currency where the shop has one."""

from dataclasses import dataclass

import numpy as np

from fraud import currencies
from fraud.columns import Bools, Floats, Ints
from fraud.schema import Channel
from producer.categories import PRICES, Prices
from producer.cities import MONEY
from producer.drafts import Drafts, code
from producer.rhythm import DAY
from producer.world import World

_STYLED = 0.6
"""Share of a category's prices that end as its shops like it."""
_LOCALISED = 0.85
"""Of foreign shops on the internet, those that bill in the payer's currency."""
_EXCHANGE_FEE = 1.015

CURRENCIES = tuple(money.currency for money in MONEY.values())
"""By country index."""
_RATE = np.array([money.per_euro for money in MONEY.values()])
_LEVEL = np.array([money.price_level for money in MONEY.values()])
_SCALE = np.array([10.0 ** currencies.decimals(currency) for currency in CURRENCIES])
_UNIT = np.array([100.0 if rate >= 90 else 10.0 if rate >= 8 else 1.0 for rate in _RATE])
"""What a coin is to people: prices end in .99 euros, 9 crowns or 90 yen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bills:
    """n bills; every column has length n."""

    currency: Ints
    """Country index of what the user is billed in."""
    amount: Floats
    """Major units, exact to the currency's decimals."""
    original_currency: Ints
    """Country index of the shop's currency."""
    original_amount: Floats
    is_exchanged: Bools
    available: Floats
    """What the user had left before the payment, in the user's currency."""


def bills(drafts: Drafts, world: World) -> Bills:
    """What each payment costs its user."""
    home = world.places.country[drafts.home]
    shop = _billed_in(drafts, home, world)
    original = _price(drafts, shop, world)
    is_exchanged = _RATE[shop] != _RATE[home]
    rate = np.where(is_exchanged, _RATE[home] / _RATE[shop] * _EXCHANGE_FEE, 1.0)
    return Bills(
        currency=home,
        amount=_rounded(original * rate, home),
        original_currency=shop,
        original_amount=original,
        is_exchanged=is_exchanged,
        available=_available(drafts, home, world),
    )


def _billed_in(drafts: Drafts, home: Ints, world: World) -> Ints:
    """Shops on the street bill in their own currency, most on the internet in the payer's."""
    shop = world.merchants.country(drafts.merchant)
    remote = (drafts.channel == code(Channel.ONLINE)) | (drafts.channel == code(Channel.TRANSFER))
    return np.where(remote & world.draws.chance("localised", _LOCALISED, drafts.merchant, home), home, shop)


def _price(drafts: Drafts, shop: Ints, world: World) -> Floats:
    local = drafts.euros * _RATE[shop] * _LEVEL[shop]
    unit = _UNIT[shop]
    style = PRICES[world.merchants.category(drafts.merchant)]
    # Not drawn for the payment's key: a refund must find the price of what it gives back.
    styled = (np.abs(drafts.euros * 7_919) % 1.0 < _STYLED) & (local > unit)
    step = unit * np.where(local > 40 * unit, 10.0, np.where(local > 12 * unit, 5.0, 1.0))
    nines = np.maximum(np.floor(local / unit), 1.0) * unit - np.where(unit > 1, unit / 10, 0.01) * np.where(
        np.abs(drafts.euros * 104_729) % 1.0 < 0.25, 5.0, 1.0
    )
    round_ = np.maximum(np.round(local / step), 1.0) * step
    notes = np.maximum(np.round(local / (10 * unit)), 1.0) * 10 * unit
    local = np.where(styled & (style == Prices.NINES), nines, local)
    local = np.where(styled & (style == Prices.ROUND), round_, local)
    local = np.where((style == Prices.NOTES) & (local > 0), notes, local)
    smallest = np.where(drafts.euros > 0, 1.0 / _SCALE[shop], 0.0)
    return np.maximum(_rounded(local, shop), smallest)


def _available(drafts: Drafts, home: Ints, world: World) -> Floats:
    """A month's income melts away after payday, on top of what is always there."""
    day = drafts.at // DAY
    _, _, payday = world.users.habits(drafts.user)
    date = day.astype("datetime64[D]")
    day_of_month = (date - date.astype("datetime64[M]")).astype(np.int64) + 1
    left = 0.2 + 1.1 * np.exp(-((day_of_month - payday) % 30) / 14.0)
    noise = np.exp(0.2 * world.draws.normal("balance", drafts.user, day))
    savings = np.exp(world.draws.normal("savings", drafts.user) * 0.8)
    income = world.users.income(drafts.user) * _RATE[home] * _LEVEL[home]
    return _rounded(income * (left * noise + savings), home)


def _rounded(amount: Floats, country: Ints) -> Floats:
    scale = _SCALE[country]
    return np.asarray(np.round(amount * scale) / scale)
