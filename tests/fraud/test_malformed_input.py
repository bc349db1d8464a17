"""A hundred thousand malformed messages: each becomes a dead letter with a reason, or is a payment after all."""

import random
from typing import Any

import msgspec
import pytest

from fraud.dead_letters import MAX_PAYLOAD, DeadLetter, Reason
from tests.fraud.messages import CARD, decoded, message, raw


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_malformed_messages_of_every_kind_crash_nothing(count: int) -> None:
    random_ = random.Random(7)
    values = [MALFORMED[number % len(MALFORMED)](random_) for number in range(count)]

    letters: list[DeadLetter] = []
    payments = 0
    for start in range(0, len(values), 5_000):
        result = decoded(*values[start : start + 5_000])
        letters += result.dead
        payments += len(result.batch)

    assert len(letters) + payments == len(values)
    assert payments > count / 100  # a flipped bit often leaves a valid payment
    assert {letter.reason for letter in letters} >= {
        *(Reason.EMPTY, Reason.NOT_JSON, Reason.SCHEMA, Reason.PAN_DETECTED, Reason.CLOCK_SKEW),
        *(Reason.UNKNOWN_CURRENCY, Reason.AMOUNT_DECIMALS, Reason.AMOUNT_RANGE),
    }
    assert all(letter.detail and len(letter.payload) <= MAX_PAYLOAD for letter in letters)


WHOLE = message(
    kind="purchase", outcome="approved", currency="EUR", merchant_id="m-1", merchant_name="Café", mcc="5411",
    channel="pos", country="DE", ip_country="DE", city="Ulm", latitude=48.4, longitude=9.99, card_token="c-1",
    card_last4="1234", device_id="d-1", entry_mode="chip", authentication="pin", initiated_by="customer",
    available_amount=12.5, original_amount=10.0, original_currency="EUR", account_opened_on="2020-01-01",
)  # fmt: skip
FIELDS = list(msgspec.json.decode(WHOLE))
NUMBERS = [
    "1e308",
    "10.001",
    "12345678901234.56",
    "-1e308",
    "1e-400",
    "1e309",
    "9" * 25,
    "-" + "9" * 25,
    "9" * 400,
    "1" + "0" * 14,
    "0.1" + "0" * 30 + "1",
    "-0",
]
BROKEN_TEXTS = [
    r'"\ud800"',
    r'"\udfff\ud800"',
    r'"\u0000"',
    r'"\uZZZZ"',
    r'"\x41"',
    '"\\',
    f'"{CARD}"',
    '"\x00"',
    r'"\ud83dx"',
    '"EUX"',
]


def random_bytes(random_: random.Random) -> bytes:
    return random_.randbytes(random_.randrange(0, 120))


def flipped_bits(random_: random.Random) -> bytes:
    value = bytearray(WHOLE)
    for _ in range(random_.randrange(1, 4)):
        value[random_.randrange(len(value))] ^= 1 << random_.randrange(8)
    return bytes(value)


def cut_short(random_: random.Random) -> bytes:
    return WHOLE[: random_.randrange(len(WHOLE))]


def nested(random_: random.Random) -> bytes:
    depth = random_.choice([5, 62, 63, 64, 65, 66, 120, 990, 1_100])
    opening = random_.choice(["[", '{"a":', '[{"b":'])
    return raw(
        '"x":'
        + opening * depth
        + ("1" + opening.translate(str.maketrans("[{", "]}", '":ab'))[::-1] * depth) * random_.randrange(2)
    )


def huge_number(random_: random.Random) -> bytes:
    return raw(f'"{random_.choice([*FIELDS, "surplus"])}":{random_.choice(NUMBERS)}')


def broken_text(random_: random.Random) -> bytes:
    return raw(f'"{random_.choice([*FIELDS, "surplus"])}":{random_.choice(BROKEN_TEXTS)}')


def twice(random_: random.Random) -> bytes:
    name = random_.choice(FIELDS)
    return raw(
        f'"{name}":{random_.choice(["1", "[]", "null", "true", chr(34) * 2])},"{name}":{random_.choice(NUMBERS)}'
    )


def wrong_type(random_: random.Random) -> bytes:
    wrong: Any = random_.choice([None, True, [], {}, "x", "", 17, -1.5, [[1]]])
    return message(**{random_.choice(FIELDS): wrong})


def far_future(random_: random.Random) -> bytes:
    return message(
        event_time=f"{random_.randrange(2027, 9_999)}-01-01T00:00:00{random_.choice(['Z', '+23:59', '-23:59', '+99:99'])}"
    )


MALFORMED = (random_bytes, flipped_bits, cut_short, nested, huge_number, broken_text, twice, wrong_type, far_future)
