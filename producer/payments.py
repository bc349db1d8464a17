"""Drafts become payments: the transaction as it travels, and beside it, never in it, the truth."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fraud.columns import Bools, Ints
from fraud.decision import EPOCH
from fraud.schema import Channel, Label, LabelSource, LabelValue, Transaction
from producer.billing import CURRENCIES, bills
from producer.categories import CATEGORIES
from producer.cities import CITIES
from producer.compromises import Underworld
from producer.drafts import (
    AUTHENTICATIONS,
    CHANNELS,
    ENTRY_MODES,
    INITIATORS,
    KINDS,
    LABELS,
    NEVER,
    OUTCOMES,
    SOURCES,
    Drafts,
    code,
)
from producer.names import letters
from producer.rhythm import utc_offset
from producer.scenarios.catalogue import NAMES
from producer.users import user_id
from producer.world import World


class Truth(NamedTuple):
    """What only the simulation knows."""

    fraud: bool
    scenario: str | None
    """The attack or the hard negative; None for an ordinary payment."""
    label: Label | None
    """What will be reported, and when; None for most."""


class Payment(NamedTuple):
    """One payment and the truth about it."""

    transaction: Transaction
    truth: Truth


def payments(drafts: Drafts, world: World, underworld: Underworld) -> list[Payment]:
    """Payments in the order of the drafts; about 10 µs each, so hand over some ten thousand at a time."""
    token, _ = underworld.cards(drafts.user, drafts.card, drafts.at)
    columns = _columns(drafts, world)
    columns["card_token"] = letters("c", token)
    columns["card_last4"] = [f"{last4:04d}" for last4 in (token >> np.uint64(50)).astype(np.int64) % 10_000]
    names = tuple(columns)
    transactions = [
        Transaction(**dict(zip(names, values, strict=True))) for values in zip(*columns.values(), strict=True)
    ]
    return [
        Payment(transaction, truth)
        for transaction, truth in zip(transactions, _truths(drafts, transactions), strict=True)
    ]


def _columns(drafts: Drafts, world: World) -> dict[str, Sequence[Any]]:
    """Every other field of `Transaction` by name."""
    places, draws = world.places, world.draws
    merchants = [world.merchants.by_code(merchant) for merchant in drafts.merchant.tolist()]
    category = world.merchants.category(drafts.merchant)
    is_present = (drafts.channel == code(Channel.POS)) | (drafts.channel == code(Channel.ATM))
    latitude, longitude = world.merchants.coordinates(drafts.merchant)
    bill = bills(drafts, world)
    opened = world.users.opened_on(drafts.user)
    return {
        "transaction_id": letters("x", draws.bits("transaction id", drafts.user, drafts.at)),
        "user_id": [user_id(index) for index in drafts.user.tolist()],
        "event_time": _moments(drafts.at, utc_offset(drafts.city, drafts.at)),
        "amount": bill.amount.tolist(),
        "kind": _words(KINDS, drafts.kind),
        "outcome": _words(OUTCOMES, drafts.outcome),
        "currency": _words(CURRENCIES, bill.currency),
        "merchant_id": [merchant.merchant_id for merchant in merchants],
        "merchant_name": [merchant.name for merchant in merchants],
        "mcc": _words(_MCCS, category),
        "terminal_id": _where(is_present, world.merchants.terminals(drafts.merchant, drafts.key)),
        "channel": _words(CHANNELS, drafts.channel),
        "country": _words(places.countries, world.merchants.country(drafts.merchant)),
        "ip_country": _words((None, *places.countries), drafts.ip_country),
        "city": _where(is_present, _words(_CITY_NAMES, drafts.city)),
        "latitude": _where(is_present, latitude.tolist()),
        "longitude": _where(is_present, longitude.tolist()),
        "device_id": _where(drafts.device != 0, letters("d", drafts.device)),
        "entry_mode": _words(ENTRY_MODES, drafts.entry_mode),
        "authentication": _words(AUTHENTICATIONS, drafts.authentication),
        "initiated_by": _words(INITIATORS, drafts.initiator),
        "available_amount": bill.available.tolist(),
        "original_amount": _where(bill.is_exchanged, bill.original_amount.tolist()),
        "original_currency": _where(bill.is_exchanged, _words(CURRENCIES, bill.original_currency)),
        "account_opened_on": [_date(day) for day in opened.tolist()],
    }


_MCCS = tuple(category.mcc for category in CATEGORIES)
_CITY_NAMES = tuple(city.name for city in CITIES)


def _words(words: Sequence[Any], codes: Ints) -> list[Any]:
    column = np.empty(len(words), object)
    column[:] = words
    found: list[Any] = column[codes].tolist()
    return found


def _where(present: Bools, values: Sequence[Any]) -> list[Any]:
    return [value if there else None for value, there in zip(values, present.tolist(), strict=True)]


def _moments(at: Ints, offset: Ints) -> list[datetime]:
    zones = {minutes: timezone(timedelta(minutes=minutes)) for minutes in np.unique(offset).tolist()}
    seconds = (at / 1e6).tolist()
    return [
        datetime.fromtimestamp(second, zones[minutes]) for second, minutes in zip(seconds, offset.tolist(), strict=True)
    ]


@lru_cache(maxsize=100_000)
def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def _truths(drafts: Drafts, transactions: Sequence[Transaction]) -> list[Truth]:
    """Most payments share one truth: nothing is known of them and nothing is wrong."""
    plain = Truth(False, None, None)
    truths = [plain] * len(transactions)
    for row in np.flatnonzero(drafts.fraud | (drafts.scenario != 0) | (drafts.reported_at != NEVER)).tolist():
        scenario = NAMES[int(drafts.scenario[row])]
        truths[row] = Truth(bool(drafts.fraud[row]), scenario, _label(drafts, row, scenario, transactions[row]))
    return truths


def _label(drafts: Drafts, row: int, scenario: str | None, transaction: Transaction) -> Label | None:
    reported_at = int(drafts.reported_at[row])
    if reported_at == NEVER:
        return None
    return Label(
        transaction_id=transaction.transaction_id,
        user_id=transaction.user_id,
        source=SOURCES[int(drafts.source[row])] or LabelSource.CUSTOMER,
        label=LABELS[int(drafts.label[row])] or LabelValue.UNSURE,
        event_time=transaction.event_time.astimezone(UTC),
        reported_at=EPOCH + timedelta(microseconds=reported_at),
        fraud_type=scenario if drafts.fraud[row] else None,
    )
