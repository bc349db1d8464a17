"""Random numbers without a state: a number is a hash of the seed, a purpose and who or what it is drawn for.

So any day of any user can be drawn alone, in any process and in any order, and is always the same. The mixing step is the
finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import xxhash

from fraud.columns import Bools, Floats, Hashes, Ints

_WORD = (1 << 64) - 1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_UNIT = 2.0**-53

Key = Ints | Hashes


class Draws:
    """Every random choice of one simulated world; `purpose` names the choice and keeps it independent of all others."""

    def __init__(self, seed: int) -> None:
        """Worlds of different seeds have nothing in common."""
        self.seed = seed

    def bits(self, purpose: str, *keys: Key) -> Hashes:
        """64 random bits for each row of the keys: uint64, shape (n,)."""
        state = np.full(len(keys[0]), _salt(self.seed, purpose), np.uint64)
        for key in keys:
            state += key.astype(np.uint64)
            state *= _GOLDEN
            mix(state)
        return state

    def uniform(self, purpose: str, *keys: Key) -> Floats:
        """Numbers in [0, 1)."""
        return unit(self.bits(purpose, *keys))

    def chance(self, purpose: str, probability: float | Floats, *keys: Key) -> Bools:
        """True with the given probability."""
        return np.asarray(self.uniform(purpose, *keys) < probability)

    def integer(self, purpose: str, count: int | Ints, *keys: Key) -> Ints:
        """Whole numbers in [0, count)."""
        return np.asarray(self.uniform(purpose, *keys) * count).astype(np.int64)

    def normal(self, purpose: str, *keys: Key) -> Floats:
        """Standard normal numbers, by Box and Muller's transform of two halves of the bits."""
        bits = self.bits(purpose, *keys)
        radius = np.sqrt(-2.0 * np.log(((bits >> np.uint64(32)).astype(np.float64) + 1.0) * 2.0**-32))
        return np.asarray(radius * np.cos((bits & np.uint64(0xFFFFFFFF)).astype(np.float64) * (2.0 * np.pi * 2.0**-32)))

    def pick(self, purpose: str, weights: npt.ArrayLike, *keys: Key) -> Ints:
        """Index into `weights`, in proportion to them."""
        return chosen(self.uniform(purpose, *keys), weights)


def mix(state: Hashes) -> None:
    """Scramble in place, so that neighbouring keys have nothing in common."""
    state ^= state >> np.uint64(30)
    state *= _FIRST
    state ^= state >> np.uint64(27)
    state *= _SECOND
    state ^= state >> np.uint64(31)


def unit(bits: Hashes) -> Floats:
    """Bits as numbers in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * _UNIT


def chosen(uniform: Floats, weights: npt.ArrayLike) -> Ints:
    """Index into `weights` at each quantile."""
    bounds = np.cumsum(np.asarray(weights, np.float64))
    return np.minimum(np.searchsorted(bounds / bounds[-1], uniform, side="right"), len(bounds) - 1)


@cache
def _salt(seed: int, purpose: str) -> int:
    return xxhash.xxh3_64_intdigest(purpose.encode(), seed & _WORD)
