"""From raw records to a batch of columns: decode, validate, refuse card data. One bad message never fails its neighbours."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from fraud.batch import Batch, Polled
from fraud.card_numbers import has_secret_field, holds_card_number, masked, suspects
from fraud.columns import Ints
from fraud.currencies import NO_CURRENCY, decimals, is_known
from fraud.dead_letters import MAX_PAYLOAD, DeadLetter, Reason
from fraud.errors import BadMessageError
from fraud.schema import Transaction
from fraud.transaction_rows import COUNTRIES, FOUR_DIGITS, batch_of

MAX_MESSAGE = 64 * 1024
"""Bytes of one message; a longer one is a dead letter."""
MAX_MINOR = 10**15
"""Minor units of one payment: 4,096 of them still sum without overflow, and float64 holds each exactly."""
MAX_SKEW = 5 * 60 * 1_000_000
"""Microseconds that an event may lie after its append time."""
MAX_NESTING = 64
"""Brackets open at once. Deeper ones are refused by count: what the interpreter's stack takes depends on who calls."""
_LONGEST_DETAIL = 200


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
        detail=" ".join(masked(detail).split())[:_LONGEST_DETAIL],
        payload=payload[:MAX_PAYLOAD],
        masked=hide,
        truncated=len(payload) > MAX_PAYLOAD,
    )


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
    if b"\\u0000" in value:
        _refuse_nul(transaction)
    _check_words(transaction)
    _check_amount(transaction, intake.default_currency)
    return transaction, surplus


def _read_leniently(value: bytes) -> tuple[Transaction, int]:
    """Unknown fields are dropped and counted; what is still wrong then is refused."""
    _refuse_depth(value)
    try:
        known = _LENIENT.decode(value)
        surplus = len(msgspec.json.decode(value, type=dict[str, msgspec.Raw]).keys() - _FIELDS)
    except msgspec.ValidationError as error:
        raise _RefusedError(Reason.SCHEMA, str(error)) from error
    except msgspec.DecodeError as error:
        raise _RefusedError(Reason.NOT_JSON, str(error)) from error
    except UnicodeDecodeError as error:
        raise _RefusedError(Reason.NOT_JSON, "the bytes are not UTF-8") from error
    return Transaction(**msgspec.structs.asdict(known)), surplus


def is_nested_too_deeply(value: bytes) -> bool:
    """Whether a message has too many nested lists and objects; almost none has enough brackets to count."""
    if value.count(b"[") + value.count(b"{") <= MAX_NESTING:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", value)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_NESTING:
            return True
    return False


def _refuse_depth(value: bytes) -> None:
    if is_nested_too_deeply(value):
        raise _RefusedError(Reason.NOT_JSON, f"nested too deeply: more than {MAX_NESTING} brackets are open at once")


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_BRACKETS = re.compile(rb"[\[\]{}]")


def _refuse_card_numbers(value: bytes, exempt: frozenset[str]) -> None:
    """Look at the message as written and as JSON means it (an exponent could hide a digit)."""
    _refuse_depth(value)
    try:
        document = _ANY.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        looked_at = value.decode("utf-8", "replace")
    else:
        if isinstance(document, dict):
            document = {name: content for name, content in document.items() if name not in exempt}
        looked_at = msgspec.json.encode(document).decode()
        if not exempt:
            looked_at = f"{value.decode('utf-8', 'replace')} {looked_at}"
    if holds_card_number(looked_at):
        raise _RefusedError(Reason.PAN_DETECTED, "a field holds what looks like a card number")


def _refuse_nul(transaction: Transaction) -> None:
    """No NUL, which PostgreSQL cannot keep in a text."""
    texts = (getattr(transaction, name) for name in Transaction.__struct_fields__)
    if any(isinstance(text, str) and "\0" in text for text in texts):
        raise _RefusedError(Reason.SCHEMA, "a NUL character, which no store keeps")


def _check_words(transaction: Transaction) -> None:
    """Fixed alphabets, checked by table."""
    if not {transaction.country, transaction.ip_country} <= _COUNTRIES_OR_NONE:
        raise _RefusedError(Reason.SCHEMA, "two capital letters expected - at `$.country` or `$.ip_country`")
    if not {transaction.mcc, transaction.card_last4} <= _FOUR_DIGITS_OR_NONE:
        raise _RefusedError(Reason.SCHEMA, "four digits expected - at `$.mcc` or `$.card_last4`")
    for code in (transaction.currency, transaction.original_currency):
        if code is not None and (not is_known(code) or code == NO_CURRENCY):
            raise _RefusedError(
                Reason.UNKNOWN_CURRENCY, "not an ISO 4217 code - at `$.currency` or `$.original_currency`"
            )
    if (transaction.latitude is None) != (transaction.longitude is None):
        raise _RefusedError(Reason.SCHEMA, "latitude and longitude come together - at `$.latitude`")


_COUNTRIES_OR_NONE = frozenset([None, *COUNTRIES])
_FOUR_DIGITS_OR_NONE = frozenset([None, *FOUR_DIGITS])


def _check_amount(transaction: Transaction, default_currency: str) -> None:
    """At most the currency's decimals: exact, since k / 10**d is the float64 nearest to that decimal."""
    code = transaction.currency or default_currency
    scale = 10 ** decimals(code)
    if transaction.amount > MAX_MINOR / scale:
        raise _RefusedError(Reason.AMOUNT_RANGE, f"more than {MAX_MINOR:,} minor units of {code}")
    if round(transaction.amount * scale) / scale != transaction.amount:
        raise _RefusedError(Reason.AMOUNT_DECIMALS, f"{code} has {decimals(code)} decimals")


def _check_clock(transaction: Transaction, received_at: int) -> None:
    event_at = round(transaction.event_time.timestamp() * 1e6)  # a float64 of seconds is exact to a microsecond
    if event_at - received_at > MAX_SKEW:
        ahead = (event_at - received_at) / 1e6
        raise _RefusedError(Reason.CLOCK_SKEW, f"event_time lies {ahead:,.0f} s after the log's clock")
    if event_at < 0:
        raise _RefusedError(Reason.SCHEMA, "before 1970 - at `$.event_time`")
