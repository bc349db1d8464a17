"""Card numbers and secret fields: refused or dropped, and never kept in a dead letter."""

import random
from typing import Any

import msgspec
import pytest

from fraud.dead_letters import Reason
from tests.fraud.messages import CARD, decoded, message, raw, reason_of


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"user_id": CARD}, id="the user id"),
        pytest.param({"card_token": CARD}, id="the card token"),
        pytest.param({"transaction_id": f"order {CARD}"}, id="within a transaction id"),
        pytest.param({"merchant_name": "SHOP 4111 1111 1111 1111"}, id="in groups"),
        pytest.param({"city": "3782-822463-10005"}, id="as American Express writes it"),
        pytest.param({"surplus": CARD}, id="in a field that nobody knows"),
        pytest.param({"surplus": int(CARD)}, id="as a number"),
        pytest.param({"surplus": {"deep": [{"er": CARD}]}}, id="somewhere within"),
        pytest.param({CARD: "a field's name"}, id="as the name of a field"),
        pytest.param({"surplus": f'{{"card":"{CARD}"}}'}, id="in a text within a text"),
    ],
)
def test_a_card_number_in_any_field_is_refused_and_masked(fields: dict[str, Any]) -> None:
    (letter,) = decoded(message(**fields)).dead

    assert letter.reason is Reason.PAN_DETECTED
    assert letter.masked
    assert not any(part in letter.payload + letter.detail for part in ("1111", "822463"))
    assert "2026-03-02T12:00:00" in letter.payload


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "cut short"])
def test_escaped_digits_are_refused_and_masked(is_whole: bool) -> None:
    value = raw('"city":"' + "".join(f"\\u003{digit}" for digit in CARD) + '"')

    (letter,) = decoded(value if is_whole else value[:-1]).dead

    assert letter.reason is Reason.PAN_DETECTED
    assert "u003" not in letter.payload
    assert "1111" not in letter.payload


def test_digits_behind_an_exponent_are_refused() -> None:
    assert reason_of(raw('"surplus":4.111111111111111e15')) == "pan_detected"


def test_exempt_fields_may_look_like_card_numbers_and_no_other() -> None:
    exempt = frozenset({"transaction_id", "merchant_id"})

    assert reason_of(message(transaction_id=CARD, merchant_id=CARD), exempt=exempt) == "payment"
    assert reason_of(message(transaction_id=CARD), exempt=frozenset()) == "pan_detected"
    assert reason_of(message(transaction_id=CARD, user_id=CARD), exempt=exempt) == "pan_detected"
    assert reason_of(message(surplus={"transaction_id": CARD}), exempt=exempt) == "pan_detected"


def test_hashes_and_uuids_are_no_card_numbers() -> None:
    random_ = random.Random(5)
    values = []
    for _ in range(3_000):
        digest = f"{random_.getrandbits(256):064x}"
        uuid = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
        values.append(message(transaction_id=uuid, user_id=digest, card_token=digest[:32]))

    assert [letter.payload for letter in decoded(*values).dead] == []


def test_coordinates_of_full_precision_are_no_card_numbers() -> None:
    random_ = random.Random(5)
    values = [
        message(latitude=random_.uniform(-90, 90), longitude=random_.uniform(-180, 180), at=[random_.uniform(-9, 9)])
        for _ in range(3_000)
    ]

    assert decoded(*values).dead == []


@pytest.mark.parametrize("name", ["cvv", "card_cvv", "track2", "pinBlock"])
@pytest.mark.parametrize("secret", ["737x", ["737x"], {"value": "737x"}], ids=["text", "list", "object"])
def test_secret_fields_are_dropped_from_payments_and_never_in_a_dead_letter(name: str, secret: Any) -> None:
    result = decoded(message(**{name: secret}), message(**{name: secret}, country="??"))

    assert len(result.batch) == 1
    assert b"737x" not in msgspec.json.encode(result.batch.rows.transaction(0))
    (letter,) = result.dead
    assert letter.reason is Reason.SCHEMA
    assert letter.masked
    assert b"737x" not in msgspec.json.encode(letter)
