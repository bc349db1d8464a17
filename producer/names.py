"""Synthetic names, and ids that can never be taken for card numbers: letters instead of digits."""

import numpy as np

from fraud.columns import Hashes


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_FIRST = _listed(
    "Ada Alva Amos Anouk Arlo Bela Bruno Cara Ciro Dana Dario Edda Elio Esra Fara Finn Gerda Hanno Ilka Ines Ivo Jara "
    "Jonas Kaja Kim Lara Leif Lina Luca Maja Malo Mika Nadi Nela Nils Olga Oskar Pia Quirin Rea Remo Rosa Sami Selma "
    "Sina Taro Tessa Ulla Vera Wim Xenia Yara Yuri Zoe"
)
_LAST = _listed(
    "Abend Acker Alder Anger Bach Berger Birk Brandt Brook Cesar Dahl Damm Duval Eck Eder Falk Feld Fink Garde Grau "
    "Hagen Heath Hofer Holm Imhof Jansen Jung Kern Kolb Lind Lorenz Marsh Moor Nagel Noll Orth Park Pohl Quist Rand "
    "Reeve Rossi Sand Silva Stark Tal Thorn Ulmer Vale Vogel Wald Weir Winter Yilmaz Zander"
)
_SHOP = _listed(
    "Alder Amber Arch Aster Bay Beacon Birch Blue Bright Brook Cedar City Clover Coral Crown Dawn Delta East Elm Ember "
    "Falcon Fern Garden Golden Granite Green Harbor Hazel Heron Hill Iris Island Ivory Jade Juniper Kestrel Lake Lantern "
    "Linden Lotus Lunar Maple Meadow Mill Moss North Nova Oak Ocean Olive Onyx Opal Orchard Pearl Pine Polar Quartz "
    "Raven Red River Robin Royal Saffron Silver Sky Solar South Spring Star Stone Summit Swan Terra Tidal Tulip Union "
    "Velvet Violet West Willow Wren Zephyr"
)


def letters(prefix: str, bits: Hashes, length: int = 16) -> list[str]:
    """Ids of `length` letters a to p (a hexadecimal digit each) after a prefix; at most 16."""
    shifts = np.arange(0, 4 * length, 4, dtype=np.uint64)
    text = (((bits[:, None] >> shifts) & np.uint64(15)).astype(np.uint8) + np.uint8(97)).tobytes().decode("ascii")
    return [prefix + text[start : start + length] for start in range(0, len(text), length)]


def merchant_name(bits: int, noun: str) -> str:
    """Such as "Amber Heron Market"."""
    first, rest = _SHOP[bits % len(_SHOP)], bits // len(_SHOP)
    second = _SHOP[rest % len(_SHOP)]
    return f"{first} {noun}" if first == second or rest % 3 == 0 else f"{first} {second} {noun}"


def user_name(bits: int) -> str:
    """Such as "Mika Holm"."""
    return f"{_FIRST[bits % len(_FIRST)]} {_LAST[bits // len(_FIRST) % len(_LAST)]}"
