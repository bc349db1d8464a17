"""Every scenario really happens, and its payments are what its description says."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from fraud.decision import micros
from producer.population import Population
from producer.scenarios.catalogue import ATTACKS, HARD_NEGATIVES, NAMES
from producer.scenarios.scenario import times, unfolded

SINCE = datetime(2026, 3, 2, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=28)


@pytest.fixture(scope="module")
def payments():
    """Far more fraud than in life, so that each kind is seen often."""
    population = Population(seed=11, users=500, fraud_share=0.08)
    return [payment for chunk in population.payments(SINCE, UNTIL) for payment in chunk]


@pytest.fixture(scope="module")
def by_scenario(payments):
    found = defaultdict(list)
    for payment in payments:
        found[payment.truth.scenario].append(payment.transaction)
    return found


@pytest.fixture(scope="module")
def history(payments):
    """Honest payments by user."""
    found = defaultdict(list)
    for payment in payments:
        if not payment.truth.fraud:
            found[payment.transaction.user_id].append(payment.transaction)
    return found


def by_user(transactions):
    found = defaultdict(list)
    for transaction in transactions:
        found[transaction.user_id].append(transaction)
    return found


def share(claims):
    claims = list(claims)
    return sum(claims) / len(claims)


@pytest.mark.parametrize("name", [name for name in NAMES if name is not None])
def test_every_scenario_happens(by_scenario, name):
    assert len(by_scenario[name]) > 30


def test_attacks_are_fraud_and_hard_negatives_are_not(payments):
    attacks = {attack.name for attack in ATTACKS}

    for payment in payments:
        assert payment.truth.fraud == (payment.truth.scenario in attacks)


def test_every_attack_makes_about_as_many_payments_as_it_says():
    population = Population(seed=11, users=2_000, fraud_share=0.2)
    drafts = population.drafts(np.arange(2_000), micros(SINCE), micros(UNTIL))
    stolen = [attack.share for attack in ATTACKS] / np.sum([attack.share for attack in ATTACKS])
    expected = stolen * [attack.payments for attack in ATTACKS]

    found = np.bincount(drafts.scenario[drafts.fraud], minlength=len(ATTACKS) + 1)[1:]

    assert found / found.sum() == pytest.approx(expected / expected.sum(), rel=0.25)


def test_card_testing_is_small_mostly_declined_and_then_a_hit(by_scenario):
    tested = [one for one in by_scenario["card_testing"] if one.amount == 0]
    bursts = [
        ones for ones in by_user(by_scenario["card_testing"]).values() if sum(one.amount == 0 for one in ones) > 3
    ]
    gaps = [
        later.event_time - earlier.event_time
        for ones in bursts
        for earlier, later in pairwise(ones)
        if earlier.amount == later.amount == 0
    ]

    assert all(one.kind == "verification" for one in tested)
    assert 0.6 < share(one.outcome == "declined" for one in tested) < 0.8
    assert np.median(gaps) < timedelta(minutes=2)
    assert share(max(one.amount for one in ones) > 10 for ones in bursts) > 0.5


def test_stolen_credentials_buy_online_where_the_user_was_never_seen(by_scenario, history):
    bought = by_scenario["stolen_credentials"]
    known = {user: {one.merchant_id for one in ones} for user, ones in history.items()}

    assert {str(one.channel) for one in bought} == {"online"}
    assert share(one.merchant_id not in known.get(one.user_id, set()) for one in bought) > 0.8
    assert 0.2 < share(one.outcome == "declined" for one in bought) < 0.36


def test_an_account_is_taken_over_on_one_device_that_was_never_seen(by_scenario, history):
    known = {user: {one.device_id for one in ones} for user, ones in history.items()}
    taken = by_scenario["account_takeover"]

    assert all(one.device_id is not None and one.device_id not in known.get(one.user_id, set()) for one in taken)
    assert share(len({one.device_id for one in ones}) == 1 for ones in by_user(taken).values()) > 0.9
    assert {"transfer", "online"} == {str(one.channel) for one in taken}


def test_a_copied_card_is_used_where_its_owner_is_not(by_scenario, history):
    used = by_scenario["far_away"]
    homes = {
        user: max({one.city for one in ones if one.city}, key=[one.city for one in ones].count)
        for user, ones in history.items()
    }

    assert {str(one.channel) for one in used} == {"pos", "atm"}
    assert all(one.city != homes[one.user_id] for one in used if one.user_id in homes)
    assert share(one.entry_mode in ("stripe", "fallback") for one in used) > 0.25


def test_on_a_trip_people_pay_in_another_city_than_otherwise(by_scenario, history):
    trips = {id(one) for one in by_scenario["trip"]}
    homes = defaultdict(set)
    for ones in history.values():
        for one in ones:
            if id(one) not in trips and one.city:
                homes[one.user_id].add(one.city)

    away = [one for one in by_scenario["trip"] if one.city and one.user_id in homes]

    assert all(len(cities) == 1 for cities in homes.values())
    assert all(one.city not in homes[one.user_id] for one in away)
    assert len({one.country for one in away}) > 10


def test_a_new_phone_is_a_device_that_was_not_there_before(by_scenario, history):
    for one in by_scenario["new_phone"]:
        before = [
            earlier
            for earlier in history[one.user_id]
            if earlier.device_id == one.device_id and earlier.event_time < one.event_time - timedelta(days=8)
        ]
        assert one.device_id is not None
        assert not before


def test_a_large_purchase_is_many_times_what_a_user_pays(by_scenario, history):
    ratios = [
        one.amount / np.median([usual.amount for usual in history[one.user_id]])
        for one in by_scenario["large_purchase"]
    ]

    assert np.median(ratios) > 8


def test_a_card_dies_with_its_report_and_days_later_there_is_another(payments):
    last_report: dict[tuple[str, str], datetime] = {}
    for payment in payments:
        if payment.truth.fraud and payment.truth.label:
            card = payment.transaction.user_id, payment.transaction.card_token
            last_report[card] = max(last_report.get(card, SINCE), payment.truth.label.reported_at)
    reported = {card: at for card, at in last_report.items() if at < UNTIL - timedelta(days=10)}

    after = [
        payment.transaction
        for payment in payments
        if (payment.transaction.user_id, payment.transaction.card_token) in reported
        and payment.transaction.event_time > reported[payment.transaction.user_id, payment.transaction.card_token]
    ]
    tokens = defaultdict(set)
    for payment in payments:
        tokens[payment.transaction.user_id].add(payment.transaction.card_token)

    assert len(reported) > 20
    assert not after
    assert share(len(tokens[user]) > 1 for user, _ in reported) > 0.9


def test_steps_are_unfolded_in_order_and_each_attack_waits_for_its_own_gaps():
    count = np.array([2, 0, 3])
    gaps = np.array([99.0, 5.0, 99.0, 7.0, 1.0])

    row, number = unfolded(count)

    assert row.tolist() == [0, 0, 2, 2, 2]
    assert number.tolist() == [0, 1, 0, 1, 2]
    assert times(np.array([100, 200, 300]), count, gaps).tolist() == [100, 105, 300, 307, 308]


def test_names_are_stable_words():
    assert NAMES[0] is None
    assert len(set(NAMES)) == 1 + len(ATTACKS) + len(HARD_NEGATIVES)
