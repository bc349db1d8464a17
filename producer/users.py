"""Who the users are: traits that never change, drawn from the user's index alone, and where a user is on a day."""

from dataclasses import dataclass

import numpy as np

from fraud.columns import Bools, Floats, Hashes, Ints
from fraud.schema import User
from producer.cities import CITIES, Places
from producer.draws import Draws, unit
from producer.names import user_name
from producer.rhythm import DAY, HOUR, MINUTE, PROFILES, utc_offset

_TRIP_BLOCK = 91
"""Days; a block has at most one trip, and it lies wholly inside."""
_TRIP_CHANCE = 0.34
_TRAVEL_KM_PER_HOUR = 700.0
_MIXES = np.array([0.0, 0.45, 0.65, 0.83, 1.0])
_ACTIVITY = 0.55
_MOST_SUBSCRIPTIONS = 6


@dataclass(slots=True, kw_only=True)
class Stay:
    """Where users are on a day; every column has length n."""

    city: Ints
    is_trip: Bools
    settled_at: Ints
    """Nothing is paid in the city before this moment (microseconds): the journey takes its time."""


class Users:
    """Traits of users of one world, column by column for any indices."""

    def __init__(self, draws: Draws, places: Places) -> None:
        """Nothing is kept: every trait is drawn when asked."""
        self._draws = draws
        self._places = places
        self._home = np.cumsum(places.weight) / places.weight.sum()
        quantiles = (np.arange(256) + 0.5) / 256
        spread = np.sqrt(-2.0 * np.log(1.0 - quantiles))  # Rayleigh: everyone pays now and then, some often
        self._activity = 0.25 + spread / spread.mean() * 0.75

    def home(self, user: Ints) -> Ints:
        """The home city."""
        return np.minimum(np.searchsorted(self._home, self._draws.uniform("home", user), side="right"), len(CITIES) - 1)

    def habits(self, user: Ints) -> tuple[Floats, Ints, Ints]:
        """How active against the average, which profile of hours, which payday (day of the month, 1 to 28)."""
        bits = self._draws.bits("habits", user)
        activity = self._activity[(bits & np.uint64(255)).astype(np.int64)]
        mix = ((bits >> np.uint64(8)) & np.uint64(1023)).astype(np.float64) / 1024
        profile = np.searchsorted(_MIXES, mix, side="right") - 1
        payday = _PAYDAYS[((bits >> np.uint64(20)) & np.uint64(7)).astype(np.int64)]
        return activity, np.minimum(profile, PROFILES - 1), payday

    def income(self, user: Ints) -> Floats:
        """A month's income in euros, before the country's price level: heavy-tailed."""
        return np.asarray(2_300.0 * np.exp(self._draws.normal("income", user) * _ACTIVITY))

    def taste(self, user: Ints) -> Floats:
        """Factor on everything the user buys."""
        return np.asarray(np.exp(self._draws.normal("taste", user) * 0.35))

    def opened_on(self, user: Ints) -> Ints:
        """Day the account was opened (days since the epoch): most in 1999 to 2019, some later."""
        unit_ = self._draws.uniform("opened", user)
        return np.where(unit_ < 0.94, 10_592 + unit_ * 8_085, 18_262 + (unit_ - 0.94) * 48_000).astype(np.int64)

    def cards(self, user: Ints) -> Ints:
        """One or two."""
        return 1 + self._draws.chance("cards", 0.35, user).astype(np.int64)

    def uses_wallet(self, user: Ints) -> Bools:
        """Whether the phone pays at terminals."""
        return self._draws.chance("wallet", 0.4, user)

    def online_share(self, user: Ints) -> Floats:
        """Chance that a purchase on the internet is what the user does, against staying with shops: 0.35 to 1."""
        return 0.35 + 0.65 * self._draws.uniform("online share", user)

    def phone(self, user: Ints, day: Ints) -> tuple[Hashes, Ints]:
        """The phone in use and for how many days: people buy a new one every 17 to 40 months."""
        life = 500 + self._draws.integer("phone life", 700, user)
        since = day + self._draws.integer("phone phase", life, user)
        return self._draws.bits("phone", user, since // life), since % life

    def device(self, user: Ints, number: Ints) -> Hashes:
        """Other devices of the household."""
        return self._draws.bits("device", user, number)

    def subscriptions(self, user: Ints) -> Ints:
        """How many standing subscriptions: 0 to 6."""
        return np.minimum(
            (-np.log1p(-self._draws.uniform("subscriptions", user)) * 2.6).astype(np.int64), _MOST_SUBSCRIPTIONS
        )

    def stay(self, user: Ints, home: Ints, day: Ints) -> Stay:
        """Where the users are on a day; journeys start at midnight where the user was."""
        bits = self._draws.bits("trip", user, day // _TRIP_BLOCK)
        travels = unit(bits) < _TRIP_CHANCE
        length = (
            2 + ((bits >> np.uint64(2)) & np.uint64(7)).astype(np.int64) + (bits & np.uint64(3)).astype(np.int64) * 2
        )
        start = ((bits >> np.uint64(5)) & np.uint64(1023)).astype(np.int64) % (_TRIP_BLOCK - 18)
        since = day % _TRIP_BLOCK - start
        is_trip = travels & (since >= 0) & (since < length)
        far = ((bits >> np.uint64(15)) & np.uint64(0xFFFF)).astype(np.float64) / 65536
        rank = 1 + (far * far * (len(CITIES) - 1)).astype(np.int64)
        away = self._places.nearest[home, rank]
        city = np.where(is_trip, away, home)
        moves = travels & ((since == 0) | (since == length))
        left = np.where(is_trip, home, away)
        return Stay(city=city, is_trip=is_trip, settled_at=self._arrival(moves, left, city, day))

    def _arrival(self, moves: Bools, left: Ints, city: Ints, day: Ints) -> Ints:
        settled = np.full(len(day), np.iinfo(np.int64).min)
        row = np.flatnonzero(moves)
        if len(row):
            midnight = day[row] * DAY
            midnight = midnight - utc_offset(left[row], midnight) * MINUTE
            hours = self._places.km[left[row], city[row]] / _TRAVEL_KM_PER_HOUR + 1.0
            settled[row] = midnight + (hours * HOUR).astype(np.int64)
        return settled

    def describe(self, users: Ints) -> list[User]:
        """For topic `users`: display only."""
        bits = self._draws.bits("name", users).tolist()
        return [
            User(user_id=user_id(index), name=user_name(number), home_city=CITIES[home].name)
            for index, number, home in zip(users.tolist(), bits, self.home(users).tolist(), strict=True)
        ]


def user_id(index: int) -> str:
    """Short digits: never long enough for a card number."""
    return f"u{index:06d}"


_PAYDAYS: Ints = np.array([1, 1, 15, 25, 26, 27, 28, 28], np.int64)
