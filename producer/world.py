"""One simulated world: its seed, and everything that is drawn from it."""

from dataclasses import dataclass
from typing import Self

from producer.cities import Places
from producer.draws import Draws
from producer.merchants import Merchants
from producer.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What scenarios draw from. The same seed is the same world."""

    draws: Draws
    places: Places
    merchants: Merchants
    users: Users

    @classmethod
    def of(cls, seed: int) -> Self:
        """The world of a seed."""
        draws, places = Draws(seed), Places()
        return cls(draws=draws, places=places, merchants=Merchants(draws, places), users=Users(draws, places))
