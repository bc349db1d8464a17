"""A copied card is used in shops and at cash machines of another city while its owner is at home."""

import numpy as np

from fraud.columns import Ints
from fraud.schema import Authentication, Channel, EntryMode, Kind, Outcome
from producer.categories import BY_NOUN, EUROS, SPREAD, WAY, Way
from producer.cities import CITIES
from producer.compromises import Compromises
from producer.drafts import Drafts, code
from producer.rhythm import HOUR
from producer.scenarios.scenario import Steps, outing
from producer.world import World

_BOUGHT = ("Electronics", "Clothing", "Cash Point", "Market", "Department Store", "Fuel", "Cash Point", "Restaurant")
_FAR = 0.65
"""Of the copies travel anywhere; the others stay among the nearest cities."""
_NEAR_CITIES = 8


class FarAway:
    """The stripe is copied, the chip is not: terminals fall back, and some ask for a PIN that was watched."""

    name = "far_away"
    share = 0.25
    payments = 3.5

    def steps(self, compromises: Compromises, world: World) -> Steps:
        """An outing or two."""
        count = 1 + world.draws.integer("uses", 7, compromises.key)
        return outing(compromises, world, count, middle=1.3 * HOUR, spread=1.4)

    def fill(self, compromises: Compromises, numbers: Ints, drafts: Drafts, world: World) -> None:
        """One city for each copy."""
        draws, key = world.draws, drafts.key
        rank = np.where(
            draws.chance("far", _FAR, compromises.key),
            1 + draws.integer("far city", len(CITIES) - 1, compromises.key),
            1 + draws.integer("near city", _NEAR_CITIES, compromises.key),
        )
        drafts.city[:] = world.places.nearest[drafts.home, rank]
        drafts.card[:] = compromises.card
        kinds = np.array([BY_NOUN[noun] for noun in _BOUGHT], np.int64)
        category = kinds[draws.integer("thief buys", len(kinds), key)]
        drafts.merchant[:] = world.merchants.popular(draws.uniform("thief shop", key), category, drafts.city)
        normal = draws.normal("thief price", key)
        drafts.euros[:] = EUROS[category] * 1.5 * np.exp(SPREAD[category] * normal)
        self._present(drafts, WAY[category] == Way.CASH_MACHINE, world)

    def _present(self, drafts: Drafts, is_cash: np.ndarray, world: World) -> None:
        mode = world.draws.uniform("thief entry", drafts.key)
        entry = np.full(len(drafts), code(EntryMode.CONTACTLESS))  # stolen cards work like their owner's
        entry[mode < 0.65] = code(EntryMode.CHIP)
        entry[mode < 0.35] = code(EntryMode.STRIPE)
        entry[mode < 0.15] = code(EntryMode.FALLBACK)
        entry[is_cash & (mode >= 0.65)] = code(EntryMode.CHIP)
        drafts.entry_mode[:] = entry
        asked = is_cash | (mode >= 0.35) & (mode < 0.5)
        drafts.authentication[:] = np.where(asked, code(Authentication.PIN), code(Authentication.NONE))
        drafts.channel[:] = np.where(is_cash, code(Channel.ATM), code(Channel.POS))
        drafts.kind[:] = np.where(is_cash, code(Kind.CASH), code(Kind.PURCHASE))
        drafts.outcome[world.draws.chance("answer", 0.2, drafts.key)] = code(Outcome.DECLINED)
