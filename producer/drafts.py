"""Payments in the making: one column per choice, so that a scenario changes thousands at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from fraud.columns import Bools, Floats, Hashes, Ints
from fraud.schema import Authentication, Channel, EntryMode, Initiator, Kind, LabelSource, LabelValue, Outcome

KINDS = (None, *Kind)
OUTCOMES = (None, *Outcome)
CHANNELS = (None, *Channel)
ENTRY_MODES = (None, *EntryMode)
AUTHENTICATIONS = (None, *Authentication)
INITIATORS = (None, *Initiator)
SOURCES = (None, *LabelSource)
LABELS = (None, *LabelValue)
NEVER = np.iinfo(np.int64).max
"""A moment that does not come."""

Word = Kind | Outcome | Channel | EntryMode | Authentication | Initiator | LabelSource | LabelValue


def code(word: Word) -> int:
    """What a column holds for a word; 0 is absent."""
    return _CODES[type(word), word]


_CODES = {
    (type(word), word): number
    for words in (KINDS, OUTCOMES, CHANNELS, ENTRY_MODES, AUTHENTICATIONS, INITIATORS, SOURCES, LABELS)
    for number, word in enumerate(words)
    if word is not None
}


@dataclass(slots=True, kw_only=True)
class Drafts:
    """n payments; every column has length n. Words are codes of the tuples above, 0 being absent."""

    user: Ints
    key: Hashes
    """What every later choice about the payment is drawn for."""
    at: Ints
    """Microseconds since the epoch, UTC."""
    home: Ints
    """The user's home city."""
    city: Ints
    """Where the card is (pos, atm) or whose clock the payer lives by (online)."""
    is_trip: Bools
    merchant: Ints
    """Code of `Merchants`."""
    euros: Floats
    """Price before the country's price level and its habits of rounding."""
    card: Ints
    """0 or 1."""
    device: Hashes
    """0 is absent."""
    phone_days: Ints
    """How long the paying phone has been in use; -1 where no phone pays."""
    ip_country: Ints
    """Index into `Places.countries`, plus one; 0 is absent."""
    kind: Ints
    outcome: Ints
    channel: Ints
    entry_mode: Ints
    authentication: Ints
    initiator: Ints
    fraud: Bools
    scenario: Ints
    """Index into the catalogue of scenarios, plus one; 0 is an ordinary payment."""
    reported_at: Ints
    """When its label arrives; NEVER."""
    source: Ints
    label: Ints

    def __len__(self) -> int:
        """Payments."""
        return len(self.at)

    def take(self, rows: Ints | Bools) -> Self:
        """Some of the payments, as copies."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All payments of several drafts, one after the other."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )

    @classmethod
    def blank(cls, *, user: Ints, key: Hashes, at: Ints, home: Ints, city: Ints) -> Self:
        """Approved online purchases of nothing at no merchant, for a scenario to fill in."""
        none = np.zeros(len(at), np.int64)
        return cls(
            user=user,
            key=key,
            at=at,
            home=home,
            city=city,
            is_trip=np.zeros(len(at), np.bool_),
            merchant=none.copy(),
            euros=np.zeros(len(at)),
            card=none.copy(),
            device=np.zeros(len(at), np.uint64),
            phone_days=none - 1,
            ip_country=none.copy(),
            kind=none + code(Kind.PURCHASE),
            outcome=none + code(Outcome.APPROVED),
            channel=none + code(Channel.ONLINE),
            entry_mode=none.copy(),
            authentication=none.copy(),
            initiator=none + code(Initiator.CUSTOMER),
            fraud=np.zeros(len(at), np.bool_),
            scenario=none.copy(),
            reported_at=none + NEVER,
            source=none.copy(),
            label=none.copy(),
        )
