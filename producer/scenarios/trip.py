"""A user travels: new countries, merchants and hours, and nothing wrong with it."""

from fraud.columns import Bools
from producer.drafts import Drafts
from producer.world import World


class Trip:
    """Every payment made in another city on a trip of two to fifteen days."""

    name = "trip"

    def apply(self, drafts: Drafts, world: World) -> Bools:
        """The diary already lives by the other city's clock; its payments are only named here."""
        return drafts.is_trip
