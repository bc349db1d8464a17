"""Broken messages, as real streams have them: each kind is refused for its own reason, and none disturbs its neighbours."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import msgspec

from fraud.dead_letters import Reason
from fraud.schema import Transaction

_TEST_CARD_NUMBER = "4000000000000002"
"""Passes every check of a card number and belongs to nobody: issuers give it out for tests."""
_FAR = timedelta(days=3_650)
_OVERSIZED = 70_000

Fields = dict[str, object]


def random_bytes(transaction: Transaction, random: Random) -> bytes:
    """Not even text."""
    return b"\xff" + random.randbytes(20 + random.randrange(200))


def cut_short(transaction: Transaction, random: Random) -> bytes:
    """JSON that ends in the middle."""
    whole = msgspec.json.encode(transaction)
    return whole[: random.randrange(1, len(whole) - 1)]


def wrong_type(transaction: Transaction, random: Random) -> bytes:
    """A field that holds something else."""
    name, value = random.choice(
        [("amount", "a lot"), ("user_id", 17), ("event_time", "yesterday"), ("latitude", "north"), ("mcc", 54)]
    )
    return _changed(transaction, {name: value})


def missing_field(transaction: Transaction, random: Random) -> bytes:
    """One of the four required fields is not there."""
    fields = _fields(transaction)
    del fields[random.choice(["transaction_id", "user_id", "event_time", "amount"])]
    return msgspec.json.encode(fields)


def without_offset(transaction: Transaction, random: Random) -> bytes:
    """A local time that says nothing of its zone."""
    return _changed(transaction, {"event_time": transaction.event_time.replace(tzinfo=None).isoformat()})


def negative_amount(transaction: Transaction, random: Random) -> bytes:
    """Money never flows backwards: a refund is its own kind."""
    return _changed(transaction, {"amount": -1.0 - transaction.amount})


def too_many_decimals(transaction: Transaction, random: Random) -> bytes:
    """A fraction of the smallest coin."""
    return _changed(transaction, {"amount": 10.12345, "currency": "EUR"})


def unknown_currency(transaction: Transaction, random: Random) -> bytes:
    """Three letters that are no currency."""
    return _changed(transaction, {"currency": random.choice(["QQQ", "ZZZ", "ABC"])})


def far_future(transaction: Transaction, random: Random) -> bytes:
    """An event that has not happened yet."""
    return _changed(transaction, {"event_time": (transaction.event_time + _FAR).isoformat()})


def card_number(transaction: Transaction, random: Random) -> bytes:
    """A card number where a token belongs."""
    name = random.choice(["card_token", "user_id", "merchant_name"])
    return _changed(transaction, {name: _TEST_CARD_NUMBER})


def oversized(transaction: Transaction, random: Random) -> bytes:
    """More than any payment has to say."""
    return _changed(transaction, {"merchant_name": "x" * _OVERSIZED})


def not_an_object(transaction: Transaction, random: Random) -> bytes:
    """JSON, but a list, a number or null."""
    return random.choice([b"[]", b"17", b"null", b'"payment"'])


def empty(transaction: Transaction, random: Random) -> bytes:
    """Nothing at all."""
    return b""


Breaker = Callable[[Transaction, Random], bytes]
BREAKERS: dict[Breaker, Reason] = {
    random_bytes: Reason.NOT_JSON,
    cut_short: Reason.NOT_JSON,
    wrong_type: Reason.SCHEMA,
    missing_field: Reason.SCHEMA,
    without_offset: Reason.SCHEMA,
    negative_amount: Reason.SCHEMA,
    too_many_decimals: Reason.AMOUNT_DECIMALS,
    unknown_currency: Reason.UNKNOWN_CURRENCY,
    far_future: Reason.CLOCK_SKEW,
    card_number: Reason.PAN_DETECTED,
    oversized: Reason.OVERSIZED,
    not_an_object: Reason.SCHEMA,
    empty: Reason.EMPTY,
}
"""Every way to break a message, and what a consumer must say of it."""


def broken(transaction: Transaction, random: Random) -> bytes:
    """The transaction, broken in one of these ways."""
    return random.choice(list(BREAKERS))(transaction, random)


def _fields(transaction: Transaction) -> Fields:
    fields: Fields = msgspec.json.decode(msgspec.json.encode(transaction))
    return fields


def _changed(transaction: Transaction, changes: Fields) -> bytes:
    return msgspec.json.encode(_fields(transaction) | changes)
