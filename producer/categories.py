"""What people spend on: merchant categories with their prices, their hours and how much of them is bought online."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from fraud.columns import Floats, Ints


class Prices(IntEnum):
    """How amounts of a category end."""

    ANY = 0
    NINES = 1
    """Usually .99 or .95, as shops like it."""
    ROUND = 2
    """Usually whole tens."""
    NOTES = 3
    """Banknotes only."""


class Way(IntEnum):
    """Where a category is paid."""

    SHOP = 0
    ONLINE = 1
    CASH_MACHINE = 2
    TRANSFER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One merchant category (ISO 18245)."""

    mcc: str
    noun: str
    """What such a merchant is called after its first name."""
    way: Way
    euros: float
    """Median amount."""
    spread: float
    """Standard deviation of the amount's logarithm."""
    prices: Prices
    hours: tuple[float, float, float, float]
    """Weight in the morning, by day, in the evening, at night."""
    merchants: int
    """In each city, or altogether for online ones."""
    abroad: float = 1.0
    """Weight on a trip against at home."""


def _category(line: str) -> Category:
    mcc, noun, way, euros, spread, prices, *hours, merchants, abroad = line.split()
    return Category(
        mcc=mcc,
        noun=noun.replace("_", " "),
        way=Way[way],
        euros=float(euros),
        spread=float(spread),
        prices=Prices[prices],
        hours=(float(hours[0]), float(hours[1]), float(hours[2]), float(hours[3])),
        merchants=int(merchants),
        abroad=float(abroad),
    )


_TABLE = """
5411 Market SHOP 24 0.8 ANY 10 16 15 2 60 0.5
5499 Corner_Shop SHOP 7 0.7 ANY 8 7 8 7 60 1
5814 Bakery SHOP 6.5 0.55 ANY 16 13 5 5 60 1.5
5812 Restaurant SHOP 29 0.65 ROUND 1 9 13 4 60 3
5813 Bar SHOP 16 0.6 ROUND 0 1 5 14 40 2
5541 Fuel SHOP 48 0.45 ROUND 5 5 5 3 25 0.5
4111 Transit SHOP 3.2 0.6 ANY 10 6 6 5 6 1.5
4121 Taxi SHOP 15 0.5 ANY 2 2 3 9 20 2.5
5912 Pharmacy SHOP 13 0.8 ANY 3 5 3 0.3 30 0.6
5651 Clothing SHOP 42 0.8 NINES 1 6 4 0.1 40 1
5732 Electronics SHOP 85 1.1 NINES 0.5 2 1.5 0.1 20 0.4
5311 Department_Store SHOP 38 0.9 NINES 1 4 3 0.1 15 0.8
5942 Books SHOP 17 0.6 NINES 0.5 2 1.5 0.1 20 0.8
5200 Hardware SHOP 34 1.0 NINES 1.5 3 1.5 0.1 15 0.1
5712 Furniture SHOP 140 1.1 NINES 0.2 0.8 0.5 0 12 0
7230 Hairdresser SHOP 32 0.5 ROUND 0.7 2 0.7 0 40 0.1
8011 Practice SHOP 45 0.8 ANY 1 1.5 0.4 0.1 25 0.2
7832 Cinema SHOP 19 0.5 ROUND 0 0.8 2.5 0.7 8 0.5
7011 Hotel SHOP 165 0.7 ROUND 0.7 0.5 0.7 0.3 20 12
6011 Cash_Point CASH_MACHINE 70 0.75 NOTES 4 5 4 3 30 2.5
5399 Bazaar ONLINE 31 0.95 NINES 5 9 12 10 400 0.5
5651 Fashion_Online ONLINE 55 0.75 NINES 2 5 8 6 250 0.3
5732 Electronics_Online ONLINE 78 1.15 NINES 1.2 3 4 3 150 0.2
5816 Games ONLINE 17 0.9 NINES 0.7 2 5 8 80 0.6
5815 Media ONLINE 9 0.7 NINES 1 2 4 5 60 0.7
5814 Food_Delivery ONLINE 24 0.5 ANY 0.3 4 9 6 60 0.5
4511 Airways ONLINE 170 0.85 ANY 0.7 1 1.2 0.7 40 2
4722 Travel_Agency ONLINE 190 0.9 ANY 0.5 0.8 1.1 0.5 60 2
4900 Utilities ONLINE 72 0.6 ANY 1 1.4 0.7 0.1 40 0.1
7995 Betting ONLINE 24 0.9 ROUND 0.3 0.7 2 4 40 0.7
5945 Toys_Online ONLINE 29 0.7 NINES 0.5 1.5 1.8 1 100 0.1
6540 Gift_Cards ONLINE 42 0.7 ROUND 0.3 0.8 1 1 30 0.3
6051 Coin_Exchange ONLINE 90 1.2 ROUND 0.2 0.5 0.7 0.8 15 0.5
8398 Charity ONLINE 22 0.7 ROUND 0.3 0.5 0.5 0.2 60 0.3
4829 Money_Transfer TRANSFER 110 1.2 ROUND 1.5 2 1.5 0.7 10 0.8
5968 Subscription ONLINE 11 0.5 NINES 0 0 0 0 60 0
4899 Streaming ONLINE 12 0.35 NINES 0 0 0 0 20 0
4814 Telecom ONLINE 27 0.4 NINES 0.5 0.5 0.5 0.1 15 0.3
7997 Fitness ONLINE 33 0.35 NINES 0 0 0 0 30 0
6300 Insurance ONLINE 48 0.7 ANY 0 0 0 0 20 0
"""
CATEGORIES = tuple(_category(line) for line in _TABLE.strip().splitlines())
BY_NOUN = {category.noun: index for index, category in enumerate(CATEGORIES)}
SUBSCRIPTIONS: Ints = np.array(
    [BY_NOUN[noun] for noun in ("Subscription", "Streaming", "Streaming", "Telecom", "Media", "Fitness", "Insurance")],
    np.int64,
)
WAY: Ints = np.array([category.way for category in CATEGORIES], np.int64)
PRICES: Ints = np.array([category.prices for category in CATEGORIES], np.int64)
EUROS = np.array([category.euros for category in CATEGORIES])
SPREAD = np.array([category.spread for category in CATEGORIES])
MERCHANTS: Ints = np.array([category.merchants for category in CATEGORIES], np.int64)
_HOME = np.array([category.hours for category in CATEGORIES]).T
_TRIP = _HOME * np.array([category.abroad for category in CATEGORIES])


def bought(uniform: Floats, hour: Ints, is_trip: Ints) -> Ints:
    """Category by quantile, local hour (0 to 23) and whether the user is on a trip (0, 1)."""
    period = _PERIOD[hour] + 4 * is_trip
    place = np.searchsorted(_BOUNDS, uniform * (1.0 - 1e-9) + period, side="right")
    return np.asarray(place - period * len(CATEGORIES), np.int64)


_PERIOD: Ints = np.array([3] * 6 + [0] * 5 + [1] * 6 + [2] * 5 + [3] * 2, np.int64)
_SHARES = np.concatenate([_HOME, _TRIP])
# One sorted array for all periods: period p lies in (p, p + 1], so a single search answers for every row.
_BOUNDS = (np.cumsum(_SHARES, axis=1) / _SHARES.sum(axis=1, keepdims=True) + np.arange(8)[:, None]).ravel()
