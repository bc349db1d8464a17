"""A user buys a new phone: a device nobody has seen, used by the right person."""

import numpy as np

from fraud.columns import Bools
from fraud.schema import Authentication, EntryMode
from producer.drafts import Drafts, code
from producer.world import World

_DAYS = 7


class NewPhone:
    """Payments in a phone's first week; shops ask again for the card and for proof."""

    name = "new_phone"

    def apply(self, drafts: Drafts, world: World) -> Bools:
        """The card is entered anew, and the bank wants to see who it is more often."""
        fresh = (drafts.phone_days >= 0) & (drafts.phone_days < _DAYS)
        on_file = fresh & (drafts.entry_mode == code(EntryMode.ON_FILE))
        drafts.entry_mode[on_file] = code(EntryMode.ECOMMERCE)
        asked = on_file & world.draws.chance("asked on new phone", 0.5, drafts.key)
        drafts.authentication[asked] = code(Authentication.CHALLENGE)
        return np.asarray(fresh)
