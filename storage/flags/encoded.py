"""A flag in the forms that leave the consumer: encoded once, before anything is written, so that what cannot be encoded is known."""

from dataclasses import dataclass
from typing import Any

from fraud.decision import Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One flag, ready for any store and for the log."""

    flag: Flag
    document: dict[str, Any]
    """`_id` and the fields of `Flag`; its three moments are aware datetimes, every deeper one RFC 3339 text."""
    json: bytes
    """The same as JSON: what `decode` reads."""
    rank: int
    """Of the severity, 1 to 4."""
    rules: tuple[str, ...]
    """Rules with a live hit."""
    country: str | None
    currency: str
    amount: int
    """In ten-thousandths of the major unit."""
    search: str
    """What free text is looked for in, see `needle`."""
