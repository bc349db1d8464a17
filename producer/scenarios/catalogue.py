"""Every scenario there is. The order is part of what a seed means: new ones go to the end of their list."""

from producer.scenarios.account_takeover import AccountTakeover
from producer.scenarios.card_testing import CardTesting
from producer.scenarios.far_away import FarAway
from producer.scenarios.large_purchase import LargePurchase
from producer.scenarios.new_phone import NewPhone
from producer.scenarios.scenario import Attack, HardNegative
from producer.scenarios.stolen_credentials import StolenCredentials
from producer.scenarios.trip import Trip

ATTACKS: tuple[Attack, ...] = (CardTesting(), StolenCredentials(), AccountTakeover(), FarAway())
HARD_NEGATIVES: tuple[HardNegative, ...] = (Trip(), NewPhone(), LargePurchase())
NAMES = (None, *(attack.name for attack in ATTACKS), *(negative.name for negative in HARD_NEGATIVES))
"""Words of `Drafts.scenario`."""
