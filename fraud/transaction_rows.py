"""Transactions as columns: what the wire path and every test make a batch of."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone, tzinfo

import numpy as np
import xxhash

from fraud.batch import Batch, Mark
from fraud.columns import Hashes, Ints, NumberColumn, TextColumn
from fraud.currencies import decimals, number
from fraud.payload import payloads
from fraud.schema import Channel, Initiator, Kind, Outcome, Transaction

FOUR_DIGITS = {f"{value:04}": value for value in range(10_000)}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COUNTRIES = {first + second: 256 * ord(first) + ord(second) for first in _LETTERS for second in _LETTERS}
_MINUTES_BY_ZONE: dict[tzinfo | None, int] = {}


def batch_of(
    transactions: Sequence[Transaction], *, partition: Ints, offset: Ints, received_at: Ints, default_currency: str
) -> Batch:
    """Columns of transactions that are already validated; every array has one entry per transaction."""
    times = [transaction.event_time for transaction in transactions]
    codes = [transaction.currency or default_currency for transaction in transactions]
    scale = {code: 10 ** decimals(code) for code in set(codes)}
    amounts = np.array([transaction.amount for transaction in transactions], np.float64)
    scales = np.array([scale[code] for code in codes], np.int64)
    seconds = np.array([time.timestamp() for time in times], np.float64)
    amount = np.rint(amounts * scales).astype(np.int64)
    currency = np.array([number(code) for code in codes], np.int64)
    named = np.array([number(code) if code else 0 for code in (one.currency for one in transactions)], np.int64)
    utc_offset = np.array([_zone_minutes(time) for time in times], np.int64)
    marks = np.array([_marks(transaction) for transaction in transactions], np.int64)
    card = _hashes([transaction.card_token for transaction in transactions])
    merchant = _hashes([transaction.merchant_id for transaction in transactions])
    device = _hashes([transaction.device_id for transaction in transactions])
    country = np.array([COUNTRIES.get(transaction.country or "", 0) for transaction in transactions], np.int64)
    mcc = np.array([FOUR_DIGITS.get(transaction.mcc or "", 0) for transaction in transactions], np.int64)
    latitude = _degrees([transaction.latitude for transaction in transactions])
    longitude = _degrees([transaction.longitude for transaction in transactions])
    return Batch(
        rows=TransactionRows(transactions),
        partition=partition,
        offset=offset,
        received_at=received_at,
        event_time=np.rint(seconds * 1e6).astype(np.int64),
        utc_offset=utc_offset,
        user=_hashes([transaction.user_id for transaction in transactions]),
        transaction=_hashes([transaction.transaction_id for transaction in transactions]),
        payload=payloads(
            amounts + 0.0, named, marks, utc_offset, card, merchant, device, country, mcc, latitude, longitude
        ),
        amount=amount,
        currency=currency,
        marks=marks,
        card=card,
        merchant=merchant,
        device=device,
        country=country,
        mcc=mcc,
        latitude=latitude,
        longitude=longitude,
    )


class TransactionRows:
    """`fraud.batch.Rows` over decoded transactions."""

    def __init__(self, transactions: Sequence[Transaction]) -> None:
        """Keep the transactions; columns are made when they are asked for."""
        self._transactions = transactions

    def __len__(self) -> int:
        """How many transactions."""
        return len(self._transactions)

    def transaction(self, row: int) -> Transaction:
        """One transaction."""
        return self._transactions[row]

    def text(self, name: str) -> TextColumn:
        """A text field by name."""
        return TextColumn.of([getattr(transaction, name) for transaction in self._transactions])

    def number(self, name: str) -> NumberColumn:
        """A number field by name; a date as days since the epoch."""
        values = [getattr(transaction, name) for transaction in self._transactions]
        return NumberColumn.of([days_of(value) if isinstance(value, date) else value for value in values])


def days_of(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH_DAY


_EPOCH_DAY = date(1970, 1, 1).toordinal()


_ATTEMPT_BY_KIND: dict[Kind | None, int] = {
    None: Mark.ATTEMPT | Mark.SPEND,
    Kind.PURCHASE: Mark.ATTEMPT | Mark.SPEND,
    Kind.CASH: Mark.ATTEMPT | Mark.SPEND,
    Kind.TRANSFER: Mark.ATTEMPT | Mark.SPEND,
    Kind.VERIFICATION: int(Mark.ATTEMPT),
    Kind.REFUND: 0,
    Kind.REVERSAL: 0,
}
_PRESENCE_BY_CHANNEL: dict[Channel | None, int] = {
    None: 0,
    Channel.POS: int(Mark.CARD_PRESENT),
    Channel.ATM: int(Mark.CARD_PRESENT),
    Channel.ONLINE: int(Mark.REMOTE),
    Channel.TRANSFER: int(Mark.REMOTE),
}
_ATTEMPT_BY_KIND = {kind: int(marks) for kind, marks in _ATTEMPT_BY_KIND.items()}
_SPEND, _DECLINED, _PHYSICAL, _CARD_PRESENT = map(int, (Mark.SPEND, Mark.DECLINED, Mark.PHYSICAL, Mark.CARD_PRESENT))
_HAS_CARD, _HAS_MERCHANT, _HAS_DEVICE = map(int, (Mark.HAS_CARD, Mark.HAS_MERCHANT, Mark.HAS_DEVICE))
_HAS_COUNTRY, _HAS_MCC = map(int, (Mark.HAS_COUNTRY, Mark.HAS_MCC))


def _marks(transaction: Transaction) -> int:
    """Everything that memory needs to know of one payment, as bits."""
    marks = _ATTEMPT_BY_KIND[transaction.kind] | _PRESENCE_BY_CHANNEL[transaction.channel]
    if transaction.outcome is Outcome.DECLINED:
        marks = (marks & ~_SPEND) | _DECLINED
    elif (
        marks & _CARD_PRESENT
        and transaction.latitude is not None
        and transaction.initiated_by is not Initiator.MERCHANT
    ):
        marks |= _PHYSICAL
    if transaction.card_token is not None:
        marks |= _HAS_CARD
    if transaction.merchant_id is not None:
        marks |= _HAS_MERCHANT
    if transaction.device_id is not None:
        marks |= _HAS_DEVICE
    if transaction.country is not None:
        marks |= _HAS_COUNTRY
    if transaction.mcc is not None:
        marks |= _HAS_MCC
    return marks


def _zone_minutes(time: datetime) -> int:
    """Minutes east of UTC; one look-up per zone object."""
    minutes = _MINUTES_BY_ZONE.get(time.tzinfo)
    if minutes is None:
        offset = time.utcoffset() or timedelta()
        minutes = offset // timedelta(minutes=1)
        if isinstance(time.tzinfo, timezone):  # a zone with summer time has no one offset
            _MINUTES_BY_ZONE[time.tzinfo] = minutes
    return minutes


def _hashes(texts: Sequence[str | None]) -> Hashes:
    hashed = xxhash.xxh3_64_intdigest
    return np.array([0 if text is None else hashed(text.encode()) for text in texts], np.uint64)


def _degrees(degrees: Sequence[float | None]) -> Ints:
    return np.rint(np.array([0.0 if degree is None else degree for degree in degrees], np.float64) * 1e7).astype(
        np.int64
    )
