"""Where the simulated world happens: real cities with coordinates, country and IANA zone, and the money of their countries."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fraud.columns import Floats, Ints

_EARTH_KM = 6371.0088


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What a country pays with."""

    currency: str
    per_euro: float
    """Units of the currency for one euro: a fixed, rounded rate, good enough for a simulation."""
    price_level: float
    """Prices against the euro area's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """One city where people live and shops are."""

    name: str
    country: str
    latitude: float
    longitude: float
    zone: str
    weight: float
    """Share of the population that lives here, before scaling."""


_EURO_AREA = (
    "DE 1.0 FR 1.05 BE 1.05 NL 1.1 AT 1.05 IT .95 ES .85 PT .8 IE 1.2 FI 1.15 GR .8 LU 1.2 EE .85 LV .75 LT .75 SK .75 "
    "SI .8 HR .7"
)
_EURO_LEVELS = _EURO_AREA.split()
MONEY = {
    **{
        country: Money(currency="EUR", per_euro=1.0, price_level=float(level))
        for country, level in zip(_EURO_LEVELS[::2], _EURO_LEVELS[1::2], strict=True)
    },
    "GB": Money(currency="GBP", per_euro=0.85, price_level=1.1),
    "CH": Money(currency="CHF", per_euro=0.95, price_level=1.6),
    "SE": Money(currency="SEK", per_euro=11.3, price_level=1.1),
    "NO": Money(currency="NOK", per_euro=11.7, price_level=1.3),
    "DK": Money(currency="DKK", per_euro=7.46, price_level=1.3),
    "PL": Money(currency="PLN", per_euro=4.3, price_level=0.65),
    "CZ": Money(currency="CZK", per_euro=25.0, price_level=0.7),
    "HU": Money(currency="HUF", per_euro=400.0, price_level=0.65),
    "RO": Money(currency="RON", per_euro=5.0, price_level=0.55),
    "TR": Money(currency="TRY", per_euro=38.0, price_level=0.5),
    "US": Money(currency="USD", per_euro=1.1, price_level=1.15),
    "CA": Money(currency="CAD", per_euro=1.5, price_level=1.05),
    "MX": Money(currency="MXN", per_euro=20.0, price_level=0.6),
    "BR": Money(currency="BRL", per_euro=6.0, price_level=0.5),
    "JP": Money(currency="JPY", per_euro=160.0, price_level=0.85),
    "KR": Money(currency="KRW", per_euro=1480.0, price_level=0.8),
    "SG": Money(currency="SGD", per_euro=1.45, price_level=1.1),
    "HK": Money(currency="HKD", per_euro=8.6, price_level=1.05),
    "TH": Money(currency="THB", per_euro=38.0, price_level=0.5),
    "IN": Money(currency="INR", per_euro=92.0, price_level=0.35),
    "AE": Money(currency="AED", per_euro=4.0, price_level=1.0),
    "KW": Money(currency="KWD", per_euro=0.335, price_level=0.9),
    "IL": Money(currency="ILS", per_euro=4.0, price_level=1.2),
    "MA": Money(currency="MAD", per_euro=10.8, price_level=0.45),
    "ZA": Money(currency="ZAR", per_euro=20.0, price_level=0.5),
    "AU": Money(currency="AUD", per_euro=1.65, price_level=1.1),
    "NZ": Money(currency="NZD", per_euro=1.8, price_level=1.1),
}

_TABLE = """
Berlin DE 52.5200 13.4050 Europe/Berlin 7
Hamburg DE 53.5511 9.9937 Europe/Berlin 4
Munich DE 48.1351 11.5820 Europe/Berlin 4
Cologne DE 50.9375 6.9603 Europe/Berlin 3
Frankfurt DE 50.1109 8.6821 Europe/Berlin 3
Leipzig DE 51.3397 12.3731 Europe/Berlin 2
Paris FR 48.8566 2.3522 Europe/Paris 8
Lyon FR 45.7640 4.8357 Europe/Paris 3
Marseille FR 43.2965 5.3698 Europe/Paris 3
Lille FR 50.6292 3.0573 Europe/Paris 2
Bordeaux FR 44.8378 -0.5792 Europe/Paris 2
Brussels BE 50.8503 4.3517 Europe/Brussels 4
Antwerp BE 51.2194 4.4025 Europe/Brussels 3
Ghent BE 51.0543 3.7174 Europe/Brussels 1.5
Amsterdam NL 52.3676 4.9041 Europe/Amsterdam 4
Rotterdam NL 51.9244 4.4777 Europe/Amsterdam 2
Vienna AT 48.2082 16.3738 Europe/Vienna 3
Graz AT 47.0707 15.4395 Europe/Vienna 1
Rome IT 41.9028 12.4964 Europe/Rome 4
Milan IT 45.4642 9.1900 Europe/Rome 4
Naples IT 40.8518 14.2681 Europe/Rome 2
Madrid ES 40.4168 -3.7038 Europe/Madrid 5
Barcelona ES 41.3874 2.1686 Europe/Madrid 4
Valencia ES 39.4699 -0.3763 Europe/Madrid 2
Las_Palmas ES 28.1235 -15.4363 Atlantic/Canary 0.7
Lisbon PT 38.7223 -9.1393 Europe/Lisbon 2
Porto PT 41.1579 -8.6291 Europe/Lisbon 1.5
Dublin IE 53.3498 -6.2603 Europe/Dublin 2
Helsinki FI 60.1699 24.9384 Europe/Helsinki 1.5
Athens GR 37.9838 23.7275 Europe/Athens 2
Luxembourg LU 49.6116 6.1319 Europe/Luxembourg 0.5
Tallinn EE 59.4370 24.7536 Europe/Tallinn 0.5
Riga LV 56.9496 24.1052 Europe/Riga 0.5
Vilnius LT 54.6872 25.2797 Europe/Vilnius 0.5
Bratislava SK 48.1486 17.1077 Europe/Bratislava 0.6
Ljubljana SI 46.0569 14.5058 Europe/Ljubljana 0.5
Zagreb HR 45.8150 15.9819 Europe/Zagreb 0.6
London GB 51.5074 -0.1278 Europe/London 6
Manchester GB 53.4808 -2.2426 Europe/London 2
Edinburgh GB 55.9533 -3.1883 Europe/London 1
Zurich CH 47.3769 8.5417 Europe/Zurich 1.5
Stockholm SE 59.3293 18.0686 Europe/Stockholm 1.5
Oslo NO 59.9139 10.7522 Europe/Oslo 1
Copenhagen DK 55.6761 12.5683 Europe/Copenhagen 1.2
Warsaw PL 52.2297 21.0122 Europe/Warsaw 2
Krakow PL 50.0647 19.9450 Europe/Warsaw 1
Prague CZ 50.0755 14.4378 Europe/Prague 1.3
Budapest HU 47.4979 19.0402 Europe/Budapest 1.2
Bucharest RO 44.4268 26.1025 Europe/Bucharest 1.2
Istanbul TR 41.0082 28.9784 Europe/Istanbul 1.5
New_York US 40.7128 -74.0060 America/New_York 4
Chicago US 41.8781 -87.6298 America/Chicago 2
Los_Angeles US 34.0522 -118.2437 America/Los_Angeles 2
Phoenix US 33.4484 -112.0740 America/Phoenix 0.7
Toronto CA 43.6532 -79.3832 America/Toronto 1
Vancouver CA 49.2827 -123.1207 America/Vancouver 0.6
Mexico_City MX 19.4326 -99.1332 America/Mexico_City 1
Sao_Paulo BR -23.5505 -46.6333 America/Sao_Paulo 1.2
Tokyo JP 35.6762 139.6503 Asia/Tokyo 1.5
Osaka JP 34.6937 135.5023 Asia/Tokyo 0.7
Seoul KR 37.5665 126.9780 Asia/Seoul 0.8
Singapore SG 1.3521 103.8198 Asia/Singapore 0.8
Hong_Kong HK 22.3193 114.1694 Asia/Hong_Kong 0.6
Bangkok TH 13.7563 100.5018 Asia/Bangkok 0.6
Mumbai IN 19.0760 72.8777 Asia/Kolkata 1
Dubai AE 25.2048 55.2708 Asia/Dubai 0.6
Kuwait_City KW 29.3759 47.9774 Asia/Kuwait 0.4
Tel_Aviv IL 32.0853 34.7818 Asia/Jerusalem 0.5
Casablanca MA 33.5731 -7.5898 Africa/Casablanca 0.5
Cape_Town ZA -33.9249 18.4241 Africa/Johannesburg 0.5
Sydney AU -33.8688 151.2093 Australia/Sydney 1
Auckland NZ -36.8509 174.7645 Pacific/Auckland 0.4
"""


def _city(line: str) -> City:
    name, country, latitude, longitude, zone, weight = line.split()
    return City(
        name=name.replace("_", " "),
        country=country,
        latitude=float(latitude),
        longitude=float(longitude),
        zone=zone,
        weight=float(weight),
    )


CITIES = tuple(_city(line) for line in _TABLE.strip().splitlines())


class Places:
    """The cities as columns; a city is its index in `CITIES`, a country its index in `countries`."""

    def __init__(self) -> None:
        """Nothing is drawn: the same for every seed."""
        self.countries = tuple(MONEY)
        self.latitude = np.array([city.latitude for city in CITIES])
        self.longitude = np.array([city.longitude for city in CITIES])
        self.country: Ints = np.array([self.countries.index(city.country) for city in CITIES], np.int64)
        self.weight = np.array([city.weight for city in CITIES])

    def money(self, country: str) -> Money:
        """What a country pays with."""
        return MONEY[country]

    @cached_property
    def km(self) -> Floats:
        """Great-circle distance between every two cities: float64, shape (cities, cities)."""
        latitude, longitude = np.radians(self.latitude), np.radians(self.longitude)
        half = np.sin((latitude[:, None] - latitude) / 2) ** 2
        half = half + np.cos(latitude[:, None]) * np.cos(latitude) * np.sin((longitude[:, None] - longitude) / 2) ** 2
        return np.asarray(2 * _EARTH_KM * np.arcsin(np.sqrt(half)))

    @cached_property
    def nearest(self) -> Ints:
        """Every city's others from the nearest to the farthest, itself first: int64, shape (cities, cities)."""
        return np.argsort(self.km, axis=1, kind="stable")
