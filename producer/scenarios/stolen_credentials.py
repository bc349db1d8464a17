"""Card data bought from a leak: purchases on the internet until somebody notices."""

import numpy as np

from fraud.columns import Ints
from fraud.schema import Outcome
from producer.categories import BY_NOUN
from producer.compromises import Compromises
from producer.drafts import Drafts, code
from producer.rhythm import HOUR
from producer.scenarios.scenario import Steps, outing
from producer.scenarios.thief import buy, hide
from producer.world import World

_BOUGHT = (
    "Bazaar",
    "Bazaar",
    "Fashion Online",
    "Electronics Online",
    "Electronics Online",
    "Games",
    "Food Delivery",
    "Travel Agency",
    "Gift Cards",
)


class StolenCredentials:
    """A few purchases over hours or days at merchants where the user was never seen, most of ordinary size."""

    name = "stolen_credentials"
    share = 0.44
    payments = 3.4

    def steps(self, compromises: Compromises, world: World) -> Steps:
        """Gaps from minutes to days."""
        until_noticed = -np.log1p(-world.draws.uniform("purchases", compromises.key))
        count = 1 + np.minimum((until_noticed * 3.3).astype(np.int64), 14)
        return outing(compromises, world, count, middle=3.5 * HOUR, spread=1.7)

    def fill(self, compromises: Compromises, numbers: Ints, drafts: Drafts, world: World) -> None:
        """The better thieves hide behind an address in the victim's country."""
        hide(drafts, compromises, world, same_country=0.55, has_device=0.7)
        buy(drafts, np.arange(len(drafts)), world, [BY_NOUN[noun] for noun in _BOUGHT], factor=1.7)
        drafts.outcome[world.draws.chance("answer", 0.28, drafts.key)] = code(Outcome.DECLINED)
