"""What thieves have in common: they hide where they are, and they buy what can be sold on."""

from collections.abc import Sequence

import numpy as np

from fraud.columns import Ints
from fraud.schema import Authentication, EntryMode
from producer.categories import EUROS, SPREAD
from producer.compromises import Compromises
from producer.drafts import Drafts, code
from producer.world import World


def hide(drafts: Drafts, compromises: Compromises, world: World, *, same_country: float, has_device: float) -> None:
    """Online from one device of the thief, or none, and through an address that often lies in the victim's country."""
    draws = world.draws
    home = world.places.country[drafts.home]
    foreign = draws.integer("thief country", len(world.places.countries), compromises.key)
    hidden = draws.chance("same country", same_country, compromises.key)
    drafts.ip_country[:] = np.where(hidden, home, foreign) + 1
    known = draws.chance("thief has device", has_device, compromises.key)
    drafts.device[:] = np.where(known, draws.bits("thief device", compromises.key), np.uint64(0))
    drafts.card[:] = compromises.card


def buy(drafts: Drafts, row: Ints, world: World, categories: Sequence[int], *, factor: float) -> None:
    """Purchases on the internet with somebody else's card; prices are what others pay there, times a factor."""
    draws, key = world.draws, drafts.key[row]
    category = np.asarray(categories, np.int64)[draws.integer("thief buys", len(categories), key)]
    # Shops that many know are sold on most easily, and are watched best: thieves look for the others, too.
    drafts.merchant[row] = world.merchants.popular(draws.uniform("thief shop", key), category, drafts.home[row])
    spread = SPREAD[category] * draws.normal("thief price", key)
    drafts.euros[row] = EUROS[category] * factor * np.exp(spread) * world.users.taste(drafts.user[row])
    mode = draws.uniform("thief entry", key)
    drafts.entry_mode[row] = np.where(mode < 0.93, code(EntryMode.ECOMMERCE), code(EntryMode.KEYED))
    passed = draws.uniform("thief authentication", key)
    drafts.authentication[row] = np.where(
        passed < 0.35,
        code(Authentication.NONE),
        np.where(
            passed < 0.65,
            code(Authentication.EXEMPT),
            np.where(passed < 0.93, code(Authentication.FRICTIONLESS), code(Authentication.CHALLENGE)),
        ),
    )
