"""Merchants: a code stands for one, everything about it follows from the code; few are popular, most are not."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fraud.columns import Floats, Hashes, Ints
from producer.categories import CATEGORIES, MERCHANTS, WAY, Way
from producer.cities import CITIES, Places
from producer.draws import Draws
from producer.names import letters, merchant_name

_RANKS = 1_000
_ONLINE = len(CITIES)
"""In place of a city, for merchants that have none."""
_TERMINALS = 6
_KM_PER_DEGREE = 111.2
# Where shops on the internet sit: most payers meet foreign ones now and then.
_SEATS = {
    "DE": 8,
    "FR": 6,
    "NL": 6,
    "LU": 5,
    "IE": 6,
    "ES": 4,
    "IT": 4,
    "BE": 3,
    "GB": 5,
    "US": 6,
    "HK": 1,
    "SE": 1,
    "PL": 1,
}


class Merchant(NamedTuple):
    """What a payment says about its merchant."""

    merchant_id: str
    name: str


class Merchants:
    """All merchants of one world; a code is (city or online, category, rank of popularity)."""

    def __init__(self, draws: Draws, places: Places) -> None:
        """Merchants of different seeds have other names and places."""
        self._draws = draws
        self._places = places
        self._seats: Ints = np.array([places.countries.index(country) for country in _SEATS], np.int64)
        self.by_code = lru_cache(maxsize=200_000)(self._merchant)

    def popular(self, uniform: Floats, category: Ints, city: Ints) -> Ints:
        """Codes by quantile of popularity: the share of rank r falls like 1/r."""
        rank = np.exp(uniform * np.log(MERCHANTS[category] + 1.0)).astype(np.int64) - 1
        place = np.where((WAY[category] == Way.SHOP) | (WAY[category] == Way.CASH_MACHINE), city, _ONLINE)
        return np.asarray((place * len(CATEGORIES) + category) * _RANKS + rank)

    def category(self, code: Ints) -> Ints:
        """Index into `CATEGORIES`."""
        return code // _RANKS % len(CATEGORIES)

    def country(self, code: Ints) -> Ints:
        """Where the merchant sits, as an index into `Places.countries`."""
        city = code // (_RANKS * len(CATEGORIES))
        seat = self._seats[self._draws.pick("merchant country", list(_SEATS.values()), code)]
        return np.where(city == _ONLINE, seat, self._places.country[np.minimum(city, _ONLINE - 1)])

    def coordinates(self, code: Ints) -> tuple[Floats, Floats]:
        """Degrees north and east: a few kilometres around the city's centre."""
        city = np.minimum(code // (_RANKS * len(CATEGORIES)), _ONLINE - 1)
        north = self._draws.normal("merchant north", code) * (4.0 / _KM_PER_DEGREE)
        east = self._draws.normal("merchant east", code) * (4.0 / _KM_PER_DEGREE)
        latitude = self._places.latitude[city]
        east /= np.cos(np.radians(latitude))
        return np.round(latitude + north, 5), np.round(self._places.longitude[city] + east, 5)

    def terminals(self, code: Ints, key: Hashes) -> list[str]:
        """Terminal ids: every merchant has up to six."""
        number = self._draws.integer("terminal", _TERMINALS, key)
        return letters("t", self._draws.bits("terminal id", code, number), 10)

    def _merchant(self, code: int) -> Merchant:
        codes = np.array([code], np.int64)
        bits = self._draws.bits("merchant", codes)
        noun = CATEGORIES[int(self.category(codes)[0])].noun
        return Merchant(letters("m", bits, 12)[0], merchant_name(int(bits[0] >> np.uint64(40)), noun))
