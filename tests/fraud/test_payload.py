"""The number that tells a redelivery from a conflict."""

from datetime import timedelta, timezone
from typing import Any

import pytest

from fraud.schema import Kind, Outcome
from tests.builders import NOON, batch_of, transaction

BASE: dict[str, Any] = {"channel": "pos", "latitude": 48.4, "longitude": 9.99}


def payload(**fields: Any) -> int:
    return int(batch_of(transaction(**{**BASE, **fields})).payload[0])


def test_the_same_payment_has_the_same_number_wherever_it_stands() -> None:
    batch = batch_of(transaction(**BASE), transaction(amount=5.0), transaction(**BASE), first_offset=7, partition=3)

    assert batch.payload[0] == batch.payload[2] == payload() != batch.payload[1]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 10.01},
        {"currency": "USD"},
        {"kind": Kind.REFUND},
        {"kind": Kind.VERIFICATION},
        {"outcome": Outcome.DECLINED},
        {"channel": "online"},
        {"card_token": "c"},
        {"merchant_id": "m"},
        {"device_id": "m"},
        {"country": "DE"},
        {"mcc": "0000"},
        {"latitude": 48.4000001},
        {"longitude": -9.99},
        {"event_time": NOON.astimezone(timezone(timedelta(hours=1)))},
        {"initiated_by": "merchant"},
    ],
    ids=str,
)
def test_whatever_memory_keeps_of_a_payment_tells_it_apart(change: dict[str, Any]) -> None:
    assert payload(**change) != payload()


@pytest.mark.parametrize("change", [{"city": "Ulm"}, {"merchant_name": "Café"}, {"outcome": "approved"}], ids=str)
def test_what_memory_does_not_keep_makes_no_conflict(change: dict[str, Any]) -> None:
    assert payload(**change) == payload()


def test_swapped_fields_are_another_payment() -> None:
    assert payload(merchant_id="a", device_id="b") != payload(merchant_id="b", device_id="a")
    assert payload(latitude=9.99, longitude=48.4) != payload()


def test_numbers_do_not_collide_where_payments_differ_a_little() -> None:
    batch = batch_of(*(transaction(amount=float(number)) for number in range(5_000)))

    assert len(set(batch.payload.tolist())) == 5_000


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("card_token", "a", "b"),
        ("merchant_id", "a", "b"),
        ("device_id", "a", "b"),
        ("country", "DE", "FR"),
        ("mcc", "5411", "5412"),
        ("currency", "USD", "EUR"),
    ],
)
def test_another_value_of_one_field_is_another_payment(name: str, one: str, other: str) -> None:
    assert payload(**{name: one}) != payload(**{name: other})
