"""Once in a while people buy something big: a sofa, a laptop, a holiday."""

import numpy as np

from fraud.columns import Bools
from fraud.schema import Channel, Kind, Outcome
from producer.categories import BY_NOUN
from producer.drafts import Drafts, code
from producer.world import World

_CHANCE = 0.004
_ONLINE = ("Electronics Online", "Airways", "Travel Agency", "Bazaar", "Fashion Online")
_SHOPS = ("Furniture", "Electronics", "Department Store", "Hardware", "Clothing")


class LargePurchase:
    """One payment of many times the usual amount, at a merchant the user need not know."""

    name = "large_purchase"

    def apply(self, drafts: Drafts, world: World) -> Bools:
        """Approved first purchases only: a declined one would be tried again elsewhere."""
        draws = world.draws
        chosen = draws.chance("large purchase", _CHANCE, drafts.key) & (drafts.euros > 0) & ~drafts.is_trip
        chosen &= (drafts.kind == code(Kind.PURCHASE)) & (drafts.outcome == code(Outcome.APPROVED))
        chosen &= (drafts.channel == code(Channel.ONLINE)) | (drafts.channel == code(Channel.POS))
        for channel, nouns in ((Channel.ONLINE, _ONLINE), (Channel.POS, _SHOPS)):
            row = np.flatnonzero(chosen & (drafts.channel == code(channel)))
            kinds = np.array([BY_NOUN[noun] for noun in nouns], np.int64)
            category = kinds[draws.integer("large category", len(kinds), drafts.key[row])]
            quantile = draws.uniform("large merchant", drafts.key[row])
            drafts.merchant[row] = world.merchants.popular(quantile, category, drafts.city[row])
            drafts.euros[row] = 380.0 * np.exp(0.7 * draws.normal("large price", drafts.key[row]))
        return np.asarray(chosen)
