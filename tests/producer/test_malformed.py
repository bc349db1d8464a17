"""Each way to break a message is refused by the consumer for the reason it is meant to have."""

from random import Random

import msgspec
import numpy as np
import pytest

from fraud.batch import Polled
from fraud.decision import micros
from fraud.decoding import Intake, decode
from producer.malformed import BREAKERS, broken
from tests.builders import NOON, transaction

PAYMENT = transaction(
    mcc="5411",
    merchant_name="Amber Heron Market",
    channel="pos",
    country="BE",
    latitude=50.85,
    longitude=4.35,
    card_token="cabcdefgh",
    currency="EUR",
)


def read(values):
    number = len(values)
    polled = Polled(
        partition=np.zeros(number, np.int64),
        offset=np.arange(number),
        received_at=np.full(number, micros(NOON)),
        values=values,
    )
    return decode(polled, Intake(topic="transactions", default_currency="EUR"))


def test_the_payment_itself_is_fine():
    assert len(read([msgspec.json.encode(PAYMENT)]).batch) == 1


@pytest.mark.parametrize(("breaker", "reason"), BREAKERS.items(), ids=[breaker.__name__ for breaker in BREAKERS])
def test_every_kind_is_refused_for_its_reason(breaker, reason):
    values = [breaker(PAYMENT, Random(seed)) for seed in range(40)]

    decoded = read(values)

    assert {letter.reason for letter in decoded.dead} == {reason}
    assert len(decoded.dead) == len(values)


def test_all_kinds_are_mixed_in_and_none_disturbs_its_neighbours():
    random = Random(1)
    values = []
    for _ in range(400):
        values += [msgspec.json.encode(PAYMENT), broken(PAYMENT, random)]

    decoded = read(values)

    assert decoded.rows.tolist() == list(range(0, 800, 2))
    assert {letter.reason for letter in decoded.dead} == set(BREAKERS.values())


def test_the_card_number_is_masked_in_what_is_kept():
    [breaker] = [breaker for breaker in BREAKERS if breaker.__name__ == "card_number"]

    [letter] = read([breaker(PAYMENT, Random(3))]).dead

    assert "4000000000000002" not in letter.payload
    assert letter.masked
