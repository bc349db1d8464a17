"""From raw records to a batch of columns: decode, validate, refuse card data. One bad message never fails its neighbours."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
import numpy as np
import xxhash

from fraud.batch import Batch, Mark, Polled
from fraud.card_numbers import has_secret_field, holds_card_number, masked, suspects
from fraud.columns import Hashes, Ints, NumberColumn, TextColumn
from fraud.currencies import decimals, is_known, number
from fraud.dead_letters import MAX_PAYLOAD, DeadLetter, Reason
from fraud.errors import BadMessageError
from fraud.payload import payloads
from fraud.schema import Authentication, Channel, EntryMode, Initiator, Kind, Outcome, Transaction

MAX_MESSAGE = 64 * 1024
"""Bytes of one message; a longer one is a dead letter."""
MAX_MINOR = 10**15
"""Minor units of one payment: 4,096 of them still sum without overflow, and float64 holds each exactly."""
MAX_SKEW = 5 * 60 * 1_000_000
"""Microseconds that an event may lie after its append time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """How the policy in force reads messages."""

    topic: str
    default_currency: str
    exempt: frozenset[str] = frozenset()
    """Fields whose digit runs are not taken for card numbers: `transaction_id`, `merchant_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What one poll held: payments as a batch, and everything else as dead letters."""

    batch: Batch
    rows: Ints
    """Row of the poll that each payment of the batch came from, ascending."""
    dead: Sequence[DeadLetter]
    unknown_fields: Ints
    """How many fields each payment of the batch had that the schema does not know; they are dropped."""


class _Lenient(Transaction, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=False):
    """The same fields, read from a message that has others too."""


_STRICT = msgspec.json.Decoder(Transaction)
_LENIENT = msgspec.json.Decoder(_Lenient)
_ANY = msgspec.json.Decoder()
_FIELDS = frozenset(Transaction.__struct_fields__)
_FOUR_DIGITS = {f"{value:04}": value for value in range(10_000)}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COUNTRIES = {first + second: 256 * ord(first) + ord(second) for first in _LETTERS for second in _LETTERS}
_MINUTES_BY_ZONE: dict[object, int] = {}


def decode(polled: Polled, intake: Intake) -> Decoded:
    """Payments of a poll as columns, the rest as dead letters with their reason; never raises for what a message holds."""
    transactions: list[Transaction] = []
    rows: list[int] = []
    unknown: list[int] = []
    dead: list[DeadLetter] = []
    suspicious = suspects([value or b"" for value in polled.values])
    for row, value in enumerate(polled.values):
        try:
            transaction, surplus = _read(value, bool(suspicious[row]), intake)
            _check_clock(transaction, int(polled.received_at[row]))
        except _RefusedError as refused:
            dead.append(dead_letter(polled, row, intake.topic, refused.reason, refused.detail))
        else:
            transactions.append(transaction)
            rows.append(row)
            unknown.append(surplus)
    kept = np.array(rows, np.int64)
    batch = batch_of(
        transactions,
        partition=polled.partition[kept],
        offset=polled.offset[kept],
        received_at=polled.received_at[kept],
        default_currency=intake.default_currency,
    )
    return Decoded(batch=batch, rows=kept, dead=dead, unknown_fields=np.array(unknown, np.int64))


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
    columns = {
        "utc_offset": np.array([_zone_minutes(time.tzinfo, time.utcoffset) for time in times], np.int64),
        "amount": np.rint(amounts * scales).astype(np.int64),
        "currency": np.array([number(code) for code in codes], np.int64),
        "marks": np.array([_marks(transaction) for transaction in transactions], np.int64),
        "card": _hashes([transaction.card_token for transaction in transactions]),
        "merchant": _hashes([transaction.merchant_id for transaction in transactions]),
        "device": _hashes([transaction.device_id for transaction in transactions]),
        "country": np.array([_COUNTRIES.get(transaction.country or "", 0) for transaction in transactions], np.int64),
        "mcc": np.array([_FOUR_DIGITS.get(transaction.mcc or "", 0) for transaction in transactions], np.int64),
        "latitude": _degrees([transaction.latitude for transaction in transactions]),
        "longitude": _degrees([transaction.longitude for transaction in transactions]),
    }
    return Batch(
        rows=TransactionRows(transactions),
        partition=partition,
        offset=offset,
        received_at=received_at,
        event_time=np.rint(seconds * 1e6).astype(np.int64),
        user=_hashes([transaction.user_id for transaction in transactions]),
        transaction=_hashes([transaction.transaction_id for transaction in transactions]),
        payload=payloads(**columns),
        **columns,
    )


def dead_letter(polled: Polled, row: int, topic: str, reason: Reason, detail: str) -> DeadLetter:
    """Keep a refused record whole as base64, or masked when it holds card data; never more than the log can take."""
    value = polled.values[row] or b""
    text = value[: 4 * MAX_PAYLOAD].decode("utf-8", "replace")
    hide = reason is Reason.PAN_DETECTED or has_secret_field(text) or holds_card_number(text)
    payload = masked(text) if hide else base64.b64encode(value).decode()
    return DeadLetter(
        topic=topic,
        partition=int(polled.partition[row]),
        offset=int(polled.offset[row]),
        received_at=int(polled.received_at[row]),
        reason=reason,
        detail=detail,
        payload=payload[:MAX_PAYLOAD],
        masked=hide,
        truncated=len(payload) > MAX_PAYLOAD,
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


class _RefusedError(BadMessageError):
    """A record that becomes a dead letter."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def _read(value: bytes | None, suspicious: bool, intake: Intake) -> tuple[Transaction, int]:
    if not value:
        raise _RefusedError(Reason.EMPTY, "the record has no value")
    if len(value) > MAX_MESSAGE:
        raise _RefusedError(Reason.OVERSIZED, f"{len(value)} bytes, at most {MAX_MESSAGE} are read")
    if suspicious:
        _refuse_card_numbers(value, intake.exempt)
    try:
        transaction, surplus = _STRICT.decode(value), 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        transaction, surplus = _read_leniently(value)
    _check_words(transaction)
    _check_amount(transaction, intake.default_currency)
    return transaction, surplus


def _read_leniently(value: bytes) -> tuple[Transaction, int]:
    """Unknown fields are dropped and counted; what is still wrong then is refused."""
    try:
        known = _LENIENT.decode(value)
        surplus = len(msgspec.json.decode(value, type=dict[str, msgspec.Raw]).keys() - _FIELDS)
    except msgspec.ValidationError as error:
        raise _RefusedError(Reason.SCHEMA, masked(str(error))) from error
    except msgspec.DecodeError as error:
        raise _RefusedError(Reason.NOT_JSON, masked(str(error))) from error
    except UnicodeDecodeError as error:
        raise _RefusedError(Reason.NOT_JSON, "the bytes are not UTF-8") from error
    except RecursionError as error:
        raise _RefusedError(Reason.NOT_JSON, "nested too deeply") from error
    return Transaction(**msgspec.structs.asdict(known)), surplus


def _refuse_card_numbers(value: bytes, exempt: frozenset[str]) -> None:
    """Look at the message as written and as JSON means it (an escape could hide a digit)."""
    try:
        document = _ANY.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        looked_at = value.decode("utf-8", "replace")
    else:
        if isinstance(document, dict):
            document = {name: content for name, content in document.items() if name not in exempt}
        looked_at = msgspec.json.encode(document).decode()
        if not exempt:
            looked_at = f"{value.decode('utf-8', 'replace')} {looked_at}"
    if holds_card_number(looked_at):
        raise _RefusedError(Reason.PAN_DETECTED, "a field holds what looks like a card number")


def _check_words(transaction: Transaction) -> None:
    """Fixed alphabets, checked by table; and no NUL, which PostgreSQL cannot keep in a text."""
    for name in ("country", "ip_country"):
        value = getattr(transaction, name)
        if value is not None and value not in _COUNTRIES:
            raise _RefusedError(Reason.SCHEMA, f"two capital letters expected - at `$.{name}`")
    for name in ("mcc", "card_last4"):
        value = getattr(transaction, name)
        if value is not None and value not in _FOUR_DIGITS:
            raise _RefusedError(Reason.SCHEMA, f"four digits expected - at `$.{name}`")
    for name in ("currency", "original_currency"):
        value = getattr(transaction, name)
        if value is not None and not is_known(value):
            raise _RefusedError(Reason.UNKNOWN_CURRENCY, f"not an ISO 4217 code - at `$.{name}`")
    if (transaction.latitude is None) != (transaction.longitude is None):
        raise _RefusedError(Reason.SCHEMA, "latitude and longitude come together - at `$.latitude`")
    for name in _TEXTS:
        value = getattr(transaction, name)
        if value is not None and "\0" in value:
            raise _RefusedError(Reason.SCHEMA, f"a NUL character - at `$.{name}`")


_TEXTS = ("transaction_id", "user_id", "merchant_id", "merchant_name", "terminal_id", "city", "card_token", "device_id")


def _check_amount(transaction: Transaction, default_currency: str) -> None:
    """At most the currency's decimals: exact, since k / 10**d is the float64 nearest to that decimal."""
    code = transaction.currency or default_currency
    scale = 10 ** decimals(code)
    minor = round(transaction.amount * scale)
    if minor > MAX_MINOR:
        raise _RefusedError(Reason.AMOUNT_RANGE, f"more than {MAX_MINOR} minor units of {code}")
    if minor / scale != transaction.amount:
        raise _RefusedError(Reason.AMOUNT_DECIMALS, f"{code} has {decimals(code)} decimals")


def _check_clock(transaction: Transaction, received_at: int) -> None:
    ahead = transaction.event_time.timestamp() * 1e6 - received_at
    if ahead > MAX_SKEW:
        raise _RefusedError(Reason.CLOCK_SKEW, f"event_time lies {ahead / 1e6:.0f} s after the log's clock")
    if transaction.event_time.year < 1970:
        raise _RefusedError(Reason.SCHEMA, "before 1970 - at `$.event_time`")


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
    elif marks & _CARD_PRESENT and transaction.latitude is not None and transaction.initiated_by is not Initiator.MERCHANT:
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


def _zone_minutes(zone: object, offset: object) -> int:
    """Minutes east of UTC; one look-up per zone object."""
    minutes = _MINUTES_BY_ZONE.get(zone)
    if minutes is None:
        minutes = int(offset().total_seconds() // 60)  # type: ignore[operator]
        _MINUTES_BY_ZONE[zone] = minutes
    return minutes


def _hashes(texts: Sequence[str | None]) -> Hashes:
    hashed = xxhash.xxh3_64_intdigest
    return np.array([0 if text is None else hashed(text.encode()) for text in texts], np.uint64)


def _degrees(degrees: Sequence[float | None]) -> Ints:
    return np.rint(np.array([0.0 if degree is None else degree for degree in degrees], np.float64) * 1e7).astype(np.int64)
