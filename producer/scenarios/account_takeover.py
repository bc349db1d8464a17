"""Somebody else signs in to the account, from a device that it has never seen, and empties it."""

import numpy as np

from fraud.columns import Ints
from fraud.schema import Authentication, Channel, EntryMode, Kind, Outcome
from producer.categories import BY_NOUN, EUROS, WAY, Way
from producer.compromises import Compromises
from producer.drafts import Drafts, code
from producer.rhythm import MINUTE
from producer.scenarios.scenario import Steps, outing
from producer.scenarios.thief import buy, hide
from producer.world import World

_BOUGHT = ("Money Transfer", "Money Transfer", "Electronics Online", "Gift Cards", "Coin Exchange", "Bazaar", "Airways")


class AccountTakeover:
    """Transfers and large purchases within hours, always on the same new device; they pass the authentication."""

    name = "account_takeover"
    share = 0.15
    payments = 4.0

    def steps(self, compromises: Compromises, world: World) -> Steps:
        """Quickly: the owner may notice."""
        count = 1 + world.draws.integer("takes", 7, compromises.key)
        return outing(compromises, world, count, middle=25 * MINUTE, spread=1.3)

    def fill(self, compromises: Compromises, numbers: Ints, drafts: Drafts, world: World) -> None:
        """The thief's device is named in every payment."""
        hide(drafts, compromises, world, same_country=0.65, has_device=1.0)
        buy(drafts, np.arange(len(drafts)), world, [BY_NOUN[noun] for noun in _BOUGHT], factor=1.5)
        draws, category = world.draws, world.merchants.category(drafts.merchant)
        sent = WAY[category] == Way.TRANSFER
        drafts.channel[sent], drafts.kind[sent] = code(Channel.TRANSFER), code(Kind.TRANSFER)
        drafts.euros[sent] += EUROS[category[sent]]
        drafts.entry_mode[draws.chance("on file", 0.4, drafts.key)] = code(EntryMode.ON_FILE)
        knows = draws.chance("passes", 0.5, drafts.key)
        drafts.authentication[knows] = code(Authentication.CHALLENGE)
        drafts.outcome[draws.chance("answer", 0.2, drafts.key)] = code(Outcome.DECLINED)
