r"""Dead letters as lines of JSON that a person can edit, and such lines read back.

>>> [candidate] = read_lines([b'{"payload": {"amount": 5}}\n'])
>>> candidate.payload, candidate.place
(b'{"amount": 5}', 'line 1')
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec
from msgspec import UNSET, Struct, UnsetType

from consumer.letters import Letter
from consumer.resending import Candidate, Refusal, Unfit
from fraud.card_numbers import masked
from fraud.decision import moment
from fraud.errors import BadMessageError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ENCODE = msgspec.json.Encoder().encode


class Origin(Struct, frozen=True, kw_only=True):
    """Where the record lies, and when the log took it."""

    topic: str
    partition: int
    offset: int
    received_at: datetime


class Line(Struct, frozen=True, kw_only=True):
    """One dead letter as written; the payload stands last, where it is found."""

    origin: Origin
    reason: str
    detail: str
    masked: bool
    truncated: bool
    payload_sha256: str
    """Of the payload as exported: tells an edited one from one as it was."""
    payload: str | UnsetType = UNSET
    """The record's bytes as text, where they are UTF-8."""
    payload_base64: str | UnsetType = UNSET
    """The record's bytes, where they are not."""


class _Edited(Struct, frozen=True, kw_only=True):
    """A line as it may come back: nothing but a payload is needed, and fields of one's own are passed over."""

    reason: str = ""
    masked: bool = False
    truncated: bool = False
    payload_sha256: str | None = None
    payload: msgspec.Raw = msgspec.Raw(b"")
    payload_base64: str | None = None


_DECODE = msgspec.json.Decoder(_Edited).decode


def line_of(letter: Letter) -> bytes:
    """One line with its end."""
    dead = letter.dead
    origin = Origin(
        topic=dead.topic, partition=dead.partition, offset=dead.offset, received_at=moment(dead.received_at)
    )
    text = _text(letter.payload)
    line = Line(
        origin=origin,
        reason=dead.reason.value,
        detail=dead.detail,
        masked=dead.masked,
        truncated=dead.truncated,
        payload_sha256=_sha256(letter.payload),
        payload=UNSET if text is None else text,
        payload_base64=base64.b64encode(letter.payload).decode() if text is None else UNSET,
    )
    return _ENCODE(line) + b"\n"


def read_lines(lines: Iterable[bytes]) -> Iterator[Candidate | Refusal]:
    """What each line asks to send, or why it cannot be read; empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        content = (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).strip()
        if content:
            yield _read_line(f"line {number}", content)


def _read_line(place: str, content: bytes) -> Candidate | Refusal:
    try:
        edited = _DECODE(content)
        payload = _payload(edited)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadMessageError) as error:
        return Refusal(place, Unfit.BROKEN_LINE, masked(str(error)))
    return Candidate(
        place=place,
        payload=payload,
        reason=edited.reason,
        masked=edited.masked,
        truncated=edited.truncated,
        is_edited=edited.payload_sha256 != _sha256(payload),
    )


def _payload(edited: _Edited) -> bytes:
    """The bytes to send: a text, an object written out in place of it, or base64."""
    raw = bytes(edited.payload)
    if bool(raw) == (edited.payload_base64 is not None):
        raise BadMessageError("exactly one of payload and payload_base64 is needed")
    if edited.payload_base64 is not None:
        try:
            return base64.b64decode(edited.payload_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadMessageError("payload_base64 is not base64") from error
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str).encode()
    if raw.startswith(b"{"):
        return raw
    raise BadMessageError("payload is neither a text nor an object")


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()
