"""A thief with a list of card numbers tries which ones work, with nothing or next to nothing, and then buys."""

import numpy as np

from fraud.columns import Ints
from fraud.schema import Authentication, EntryMode, Kind, Outcome
from producer.categories import BY_NOUN, EUROS
from producer.compromises import Compromises
from producer.drafts import Drafts, code
from producer.rhythm import HOUR, MINUTE, SECOND
from producer.scenarios.scenario import Steps, times, unfolded
from producer.scenarios.thief import buy, hide
from producer.world import World

_TESTED_AT = ("Charity", "Media", "Games", "Bazaar")
_HIT_AT = ("Electronics Online", "Gift Cards", "Bazaar", "Fashion Online", "Coin Exchange")
_PATIENT = 0.4


class CardTesting:
    """Many small or zero verifications, most of them declined; the hit comes minutes to a day later."""

    name = "card_testing"
    share = 0.16
    payments = 8.4

    def steps(self, compromises: Compromises, world: World) -> Steps:
        """Hasty thieves need minutes, patient ones days."""
        draws, key = world.draws, compromises.key
        tests, patient = self._tests(compromises, world)
        count = tests + 1 + draws.integer("hits", 3, key)
        row, number = unfolded(count)
        step = key[row] + number.astype(np.uint64)
        hasty_gap = (4 + 56 * draws.uniform("test gap", step)) * SECOND
        patient_gap = (0.5 + 10 * draws.uniform("test gap", step)) * HOUR
        before_hit = 3 * HOUR * np.exp(1.4 * draws.normal("hit gap", step))
        between_hits = (3 + 50 * draws.uniform("hit gap", step)) * MINUTE
        gap = np.where(patient[row], patient_gap, hasty_gap)
        gap = np.where(number == tests[row], before_hit, np.where(number > tests[row], between_hits, gap))
        return Steps(row=row, number=number, at=times(compromises.started_at, count, gap))

    def fill(self, compromises: Compromises, numbers: Ints, drafts: Drafts, world: World) -> None:
        """Tests at one or two merchants that accept anything, hits where goods are sold on."""
        tests, _ = self._tests(compromises, world)
        is_test = numbers < tests
        hide(drafts, compromises, world, same_country=0.5, has_device=0.5)
        self._test(compromises, numbers, drafts, world, np.flatnonzero(is_test))
        hit = np.flatnonzero(~is_test)
        buy(drafts, hit, world, [BY_NOUN[noun] for noun in _HIT_AT], factor=1.5)
        declined = world.draws.chance("answer", np.where(is_test, 0.7, 0.3), drafts.key)
        drafts.outcome[declined] = code(Outcome.DECLINED)

    def _tests(self, compromises: Compromises, world: World) -> tuple[Ints, np.ndarray]:
        draws, key = world.draws, compromises.key
        patient = draws.chance("patient", _PATIENT, key)
        return np.where(patient, 1 + draws.integer("tests", 3, key), 4 + draws.integer("tests", 15, key)), patient

    def _test(self, compromises: Compromises, numbers: Ints, drafts: Drafts, world: World, row: Ints) -> None:
        draws, key = world.draws, drafts.key[row]
        shop = compromises.key[row] + (numbers[row] // 6).astype(np.uint64)
        kinds = np.array([BY_NOUN[noun] for noun in _TESTED_AT], np.int64)
        category = kinds[draws.integer("tested at", len(kinds), shop)]
        drafts.merchant[row] = world.merchants.popular(draws.uniform("test merchant", shop), category, drafts.home[row])
        is_zero = draws.chance("zero", 0.6, key)
        drafts.kind[row] = np.where(is_zero, code(Kind.VERIFICATION), code(Kind.PURCHASE))
        small = np.minimum(0.5 + EUROS[category] * 0.15 * draws.uniform("test price", key), 4.0)
        drafts.euros[row] = np.where(is_zero, 0.0, small)
        drafts.entry_mode[row] = code(EntryMode.ECOMMERCE)
        drafts.authentication[row] = code(Authentication.NONE)
