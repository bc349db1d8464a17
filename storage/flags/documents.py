"""A flag as a plain document, and the fields that queries need beside it. The same for every store, so stores can be compared."""

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from fraud.currencies import NO_CURRENCY
from fraud.decision import EPOCH, Flag, Mode, Severity
from fraud.schema import Transaction
from storage.flags.encoded import Encoded
from storage.flags.flag_store import FlagFilter, Heartbeat, Minute

MAX_BYTES = 900_000
"""Of one flag as JSON: below what a record of the log may have, and in BSON under MongoDB's 16 MiB, whatever it holds."""
MAX_DEPTH = 16
AMOUNT_UNITS = 10_000
"""Amounts are kept for queries as whole ten-thousandths of the major unit, the finest minor unit of ISO 4217: sums are exact."""
KEEP_HEARTBEATS = timedelta(days=7)
"""A process that is silent for longer is forgotten."""
_MAX_INT = 2**63
_SEPARATOR = "\x1f"


def distinct(flags: Iterable[Encoded]) -> list[Encoded]:
    """Each once, the first of its `_id`, in one order for every writer."""
    first: dict[str, Encoded] = {}
    for flag in flags:
        first.setdefault(flag.flag.id, flag)
    return [first[flag_id] for flag_id in sorted(first)]


def encode(flag: Flag) -> Encoded:
    """Raises ValueError for a flag that no store can hold: too large, lone surrogates, integers over 64 bit, unknown types."""
    text = _json(flag)
    if len(text) > MAX_BYTES:
        raise ValueError(f"{len(text)} bytes, at most {MAX_BYTES}")
    try:
        amount = units(flag.transaction.amount)
    except OverflowError as error:
        raise ValueError("an amount that is not finite") from error
    _check(amount, 1)
    return Encoded(
        flag=flag,
        document=_document(text),
        json=text,
        rank=int(Severity.of(flag.severity)),
        rules=tuple(sorted({hit.rule for hit in flag.hits if hit.mode == Mode.LIVE})),
        country=flag.transaction.country,
        currency=flag.transaction.currency or NO_CURRENCY,
        amount=amount,
        search=_search(flag.transaction),
    )


def decode(text: str, verdict: str | None) -> dict[str, Any]:
    """The document again from its JSON, with the verdict that was given since."""
    return _document(text) | {"verdict": verdict}


def newest(minutes: Iterable[Minute]) -> list[Minute]:
    """One of each, the one with the highest offset, in one order for every writer, so that two never wait for each other."""
    found: dict[tuple[str, str, int, datetime], Minute] = {}
    for minute in sorted(minutes, key=lambda one: one.up_to_offset, reverse=True):
        found.setdefault((minute.log_id, minute.group, minute.partition, minute.minute), minute)
    return [found[key] for key in sorted(found)]


def settled(heartbeat: Heartbeat) -> Heartbeat:
    """A heartbeat as every store gives it back: facts as plain values, moments cut to the millisecond."""
    at, started_at = whole_ms(heartbeat.at), whole_ms(heartbeat.started_at)
    return replace(heartbeat, at=at, started_at=started_at, facts=plain(heartbeat.facts))


def units(amount: float) -> int:
    """Ten-thousandths of an amount in major units, rounded half-even from its shortest decimal."""
    return round(Decimal(repr(amount)) * AMOUNT_UNITS)


def least_amount(wanted: FlagFilter) -> int | None:
    """The smallest amount that is asked for, in the units of `Encoded.amount`."""
    if wanted.min_amount is None:
        return None
    most = _MAX_INT - 1
    return (
        min(most, math.ceil(Decimal(repr(wanted.min_amount)) * AMOUNT_UNITS))
        if math.isfinite(wanted.min_amount)
        else most
    )


def ranks(wanted: FlagFilter) -> list[int]:
    """The severities asked for; a word that is none finds nothing."""
    return [int(severity) for severity in Severity if severity.word in wanted.severities]


def needle(text: str) -> str:
    """What an analyst typed, as it is looked for in `search`."""
    return text.casefold()


def whole_ms(moment: datetime) -> datetime:
    """A moment in UTC, cut to the millisecond: all that MongoDB keeps, so every store's queries run on it. ValueError if naive."""
    return _utc(moment).replace(microsecond=moment.microsecond // 1000 * 1000)


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since the epoch."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of milliseconds since the epoch."""
    return EPOCH + timedelta(milliseconds=int(ms))


def plain(value: Any) -> Any:
    """A value as it comes back from JSON; what is not finite is absent. ValueError for what JSON or BSON cannot hold."""
    made = msgspec.json.decode(_json(value))
    _check(made, MAX_DEPTH)
    return made


def _document(text: str | bytes) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(text)
    _check(fields, MAX_DEPTH)
    document = {"_id": fields.pop("id"), **fields}
    for name in ("received_at", "decided_at"):
        document[name] = whole_ms(datetime.fromisoformat(document[name]))
    document["event_time"] = _utc(datetime.fromisoformat(document["event_time"]))
    return document


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, enc_hook=_from_numpy)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _from_numpy(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__}")


def _check(value: Any, depth: int) -> None:
    """ValueError for what JSON holds, but BSON does not."""
    kind = type(value)
    if kind is int and not -_MAX_INT <= value < _MAX_INT:
        raise ValueError("an integer over 64 bit")
    if kind is dict or kind is list:
        if depth == 0:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        for inner in value.values() if kind is dict else value:
            _check(inner, depth - 1)
    if kind is dict and any("\0" in name for name in value):
        raise ValueError("a key with NUL")


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return moment.astimezone(UTC)


def _search(transaction: Transaction) -> str:
    found = (transaction.transaction_id, transaction.user_id, transaction.merchant_name, transaction.city)
    return _SEPARATOR.join(needle(text) for text in found if text is not None)
