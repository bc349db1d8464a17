"""The simulated world is a plausible one: rates, shares, places and ids, on fixed seeds."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from fraud.batch import Polled
from fraud.card_numbers import holds_card_number
from fraud.currencies import decimals
from fraud.decision import micros
from fraud.decoding import Intake, decode
from fraud.schema import Channel, Label, Transaction
from models.evaluate import average_precision
from producer.cities import CITIES, Places
from producer.drafts import NEVER, code
from producer.population import Population
from producer.rhythm import DAY, HOUR

USERS, DAYS = 700, 42
SINCE = datetime(2026, 3, 2, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=DAYS)


@pytest.fixture(scope="module")
def payments():
    population = Population(seed=7, users=USERS)
    return [payment for chunk in population.payments(SINCE, UNTIL) for payment in chunk]


@pytest.fixture(scope="module")
def transactions(payments):
    return [payment.transaction for payment in payments]


def share(some, of):
    return sum(map(bool, some)) / len(of)


def test_a_user_pays_about_twice_a_day(transactions):
    assert 1.7 < len(transactions) / USERS / DAYS < 2.3


@pytest.mark.parametrize(
    ("wanted", "users"), [pytest.param(0.004, 3_000, id="by default"), pytest.param(0.03, 600, id="as asked for")]
)
def test_fraud_makes_up_its_share_of_payments(wanted, users):
    drafts = Population(seed=7, users=users, fraud_share=wanted).drafts(np.arange(users), micros(SINCE), micros(UNTIL))

    assert 0.8 * wanted < drafts.fraud.mean() < 1.2 * wanted


@pytest.mark.parametrize(
    ("channels", "least", "most"),
    [
        pytest.param({"online"}, 0.08, 0.15, id="online"),
        pytest.param({"pos", "atm"}, 0.02, 0.04, id="card present"),
    ],
)
def test_declines_are_as_frequent_as_they_are(transactions, channels, least, most):
    some = [transaction for transaction in transactions if transaction.channel in channels]

    assert least < share((transaction.outcome == "declined" for transaction in some), some) < most


def test_labels_are_late():
    drafts = Population(seed=7, users=1_000, fraud_share=0.2).drafts(np.arange(1_000), micros(SINCE), micros(UNTIL))
    fraud = drafts.take(drafts.fraud)
    known = fraud.take(fraud.reported_at != NEVER)

    days = (known.reported_at - known.at) / DAY

    assert days.min() > 0
    assert 0.28 < np.mean(days <= 3) < 0.40
    assert 12 < np.median(days[days > 3]) < 20
    assert 0.02 < 1 - len(known) / len(fraud) < 0.15


def test_some_fraud_is_never_reported_and_some_honest_payments_are_disputed(payments):
    unreported = [payment for payment in payments if payment.truth.fraud and payment.truth.label is None]
    said = Counter(
        (payment.truth.fraud, str(payment.truth.label.label)) for payment in payments if payment.truth.label is not None
    )

    assert unreported
    assert said[False, "first_party"] > 0
    assert said[False, "legitimate"] > 0
    assert said[True, "fraud"] > 0
    assert not said[False, "fraud"]
    assert not said[True, "legitimate"]


def test_a_label_names_its_payment(payments):
    for payment in payments:
        if payment.truth.label is not None:
            label = payment.truth.label
            assert label.transaction_id == payment.transaction.transaction_id
            assert label.user_id == payment.transaction.user_id
            assert label.event_time == payment.transaction.event_time


def test_no_transaction_carries_a_label(transactions):
    told = set(Label.__struct_fields__) - {"transaction_id", "user_id", "event_time"} | {"fraud", "scenario", "truth"}
    words = {b"card_testing", b"stolen_credentials", b"account_takeover", b"far_away", b"large_purchase", b"new_phone"}

    assert not told & set(Transaction.__struct_fields__)
    for transaction in transactions:
        message = msgspec.json.encode(transaction)
        assert not any(word in message for word in words)


def test_every_message_is_read_by_the_consumer_as_it_was_meant(transactions):
    values = [msgspec.json.encode(transaction) for transaction in transactions]
    number = len(values)
    polled = Polled(
        partition=np.zeros(number, np.int64),
        offset=np.arange(number),
        received_at=np.full(number, micros(UNTIL)),
        values=values,
    )

    decoded = decode(polled, Intake(topic="transactions", default_currency="EUR"))

    assert [letter.detail for letter in decoded.dead] == []
    assert not decoded.unknown_fields.any()
    assert msgspec.json.decode(values[17], type=Transaction) == transactions[17]


def test_no_message_looks_as_if_it_held_a_card_number(transactions):
    assert not any(holds_card_number(msgspec.json.encode(transaction).decode()) for transaction in transactions)


def test_ids_are_letters_and_users_have_few_digits(transactions):
    for transaction in transactions:
        ids = [
            transaction.transaction_id,
            transaction.card_token,
            transaction.device_id,
            transaction.merchant_id,
            transaction.terminal_id,
        ]
        assert all(id_.isalpha() for id_ in ids if id_ is not None)
        assert sum(char.isdigit() for char in transaction.user_id) < 12


def test_transaction_ids_are_unique(transactions):
    assert len({transaction.transaction_id for transaction in transactions}) == len(transactions)


def test_amounts_have_the_decimals_of_their_currency(transactions):
    for transaction in transactions:
        scale = 10 ** decimals(transaction.currency)
        assert round(transaction.amount * scale) / scale == transaction.amount


def test_most_users_pay_in_euros_and_others_in_many_currencies(transactions):
    currencies = Counter(transaction.currency for transaction in transactions)

    assert currencies["EUR"] > len(transactions) / 2
    assert len(currencies) > 12


def test_everybody_is_billed_in_one_currency(transactions):
    billed = defaultdict(set)
    for transaction in transactions:
        billed[transaction.user_id].add(transaction.currency)

    assert all(len(currencies) == 1 for currencies in billed.values())


def test_clocks_are_those_of_the_city_where_the_card_is(transactions):
    zones = {city.name: ZoneInfo(city.zone) for city in CITIES}
    present = [transaction for transaction in transactions if transaction.channel in ("pos", "atm")]

    for transaction in present:
        there = transaction.event_time.astimezone(zones[transaction.city])
        assert there.utcoffset() == transaction.event_time.utcoffset()


def test_cards_are_in_the_city_they_name(transactions):
    places = {city.name: city for city in CITIES}
    for transaction in transactions:
        if transaction.channel in ("pos", "atm"):
            city = places[transaction.city]
            assert abs(transaction.latitude - city.latitude) < 0.3
            assert transaction.country == city.country
        else:
            assert transaction.city is transaction.latitude is None


def test_honest_people_do_not_travel_faster_than_planes():
    drafts = Population(seed=7, users=2_500).drafts(np.arange(2_500), micros(SINCE), micros(UNTIL))
    present = drafts.take(np.isin(drafts.channel, [code(Channel.POS), code(Channel.ATM)]) & ~drafts.fraud)
    present = present.take(np.lexsort((present.at, present.user)))
    km = Places().km[present.city[:-1], present.city[1:]]
    moves = (present.user[:-1] == present.user[1:]) & (km > 100)

    speed = km[moves] / np.maximum(np.diff(present.at)[moves] / HOUR, 1 / 60)

    assert moves.sum() > 500
    assert np.mean(speed > 900) < 0.005


def test_the_amount_alone_finds_little_of_the_fraud():
    drafts = Population(seed=7, users=3_000).drafts(np.arange(3_000), micros(SINCE), micros(UNTIL))

    assert average_precision(drafts.fraud.astype(np.int8), drafts.euros) < 0.25


def test_there_are_cities_in_many_countries():
    assert len(CITIES) >= 60
    assert len({city.country for city in CITIES}) >= 25
    for city in CITIES:
        ZoneInfo(city.zone)


def test_people_sleep(transactions):
    hours = Counter(transaction.event_time.hour for transaction in transactions if transaction.channel == "pos")

    assert sum(hours[hour] for hour in range(1, 6)) < 0.25 * sum(hours[hour] for hour in range(11, 16))


def test_amounts_are_heavy_tailed_and_end_as_prices_do(transactions):
    euros = [
        transaction.amount
        for transaction in transactions
        if transaction.currency == "EUR" and transaction.kind == "purchase" and transaction.original_amount is None
    ]
    cents = Counter(round(amount * 100) % 100 for amount in euros)

    assert np.mean(euros) > 1.5 * np.median(euros)
    assert cents[0] / len(euros) > 0.04
    assert cents[99] / len(euros) > 0.06


def test_few_merchants_are_popular(transactions):
    visits = Counter(transaction.merchant_id for transaction in transactions if transaction.channel == "online")
    ranked = sorted(visits.values(), reverse=True)

    assert sum(ranked[: len(ranked) // 10]) > 0.35 * sum(ranked)


def test_everything_that_people_do_happens(transactions):
    assert {str(transaction.kind) for transaction in transactions} == {
        "purchase",
        "cash",
        "refund",
        "reversal",
        "verification",
        "transfer",
    }
    assert {str(transaction.entry_mode) for transaction in transactions} == {
        "chip",
        "contactless",
        "stripe",
        "fallback",
        "keyed",
        "ecommerce",
        "on_file",
    }
    assert {str(transaction.initiated_by) for transaction in transactions} == {"customer", "merchant"}


def test_subscriptions_cost_the_same_every_month(transactions):
    taken = defaultdict(list)
    for transaction in transactions:
        if transaction.initiated_by == "merchant":
            taken[transaction.user_id, transaction.merchant_id].append(transaction.amount)
    repeated = [amounts for amounts in taken.values() if len(amounts) == 2]

    assert len(repeated) > 50
    assert share((amounts[0] == amounts[1] for amounts in repeated), repeated) > 0.8


def test_a_refund_gives_back_what_was_paid(transactions):
    bought = {
        (transaction.user_id, transaction.merchant_id, transaction.amount)
        for transaction in transactions
        if transaction.kind == "purchase"
    }
    back = [
        transaction
        for transaction in transactions
        if transaction.kind == "refund" and transaction.event_time > SINCE + timedelta(days=14)
    ]

    assert len(back) > 30
    found = [(refund.user_id, refund.merchant_id, refund.amount) in bought for refund in back]
    assert share(found, back) > 0.9


def test_nobody_pays_before_the_account_was_opened(transactions):
    for transaction in transactions:
        assert transaction.account_opened_on <= transaction.event_time.date() + timedelta(days=1)


def test_users_are_described_without_a_single_long_number():
    described = Population(seed=7, users=10).describe(0, 10)

    assert [user.user_id for user in described] == [f"u{index:06d}" for index in range(10)]
    assert all(user.name and user.home_city in {city.name for city in CITIES} for user in described)
