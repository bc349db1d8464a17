"""How features are computed: each formula makes one column from a batch and what the windows said of it."""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from fraud import window_columns as outputs
from fraud.batch import Batch, Mark
from fraud.columns import Bools, Floats, Ints, NumberColumn, TextColumn

HOURS_NEEDED: Final = 20
"""Payments with a known local hour before a share of hours says anything."""
SPEED_FLOOR: Final = 60 * outputs.SECOND
"""Two payments closer than this count as this far apart: clocks of terminals differ."""


class Said(Protocol):
    """What a formula reads; `fraud.features.Features` is one."""

    @property
    def batch(self) -> Batch:
        """The payments."""
        ...

    @property
    def scale(self) -> Floats:
        """Minor units in one major unit, by payment."""
        ...

    def said(self, column: int) -> Ints:
        """One output of the windows."""
        ...

    def number(self, name: str) -> NumberColumn:
        """Another feature."""
        ...

    def text(self, name: str) -> TextColumn:
        """A text field."""
        ...


Formula = Callable[[Said], NumberColumn]


def where(values: Floats | Ints, present: Bools) -> NumberColumn:
    """Values where present, 0 elsewhere."""
    return NumberColumn(np.where(present, values, 0).astype(np.float64), present)


def unless_negative(column: int, per: float = 1.0) -> Formula:
    """An output of the windows in other units; -1 is absent."""

    def compute(features: Said) -> NumberColumn:
        values = features.said(column)
        return where(values / per, values >= 0)

    return compute


def plain(column: int) -> Formula:
    """An output of the windows as it is."""
    return lambda features: NumberColumn.full(features.said(column))


def money(column: int) -> Formula:
    """Minor units of the windows as major units."""
    return lambda features: NumberColumn.full(features.said(column) / features.scale)


def mean(window: int) -> Formula:
    """Approved spend per payment of a window."""

    def compute(features: Said) -> NumberColumn:
        spends = features.said(outputs.SPENDS + window)
        mean = features.said(outputs.SPENT + window) / np.maximum(spends, 1) / features.scale
        return where(mean, spends > 0)

    return compute


def largest(window: int) -> Formula:
    """Largest approved payment of a window."""

    def compute(features: Said) -> NumberColumn:
        largest = features.said(outputs.LARGEST + window) / features.scale
        return where(largest, features.said(outputs.SPENDS + window) > 0)

    return compute


def field_of(name: str) -> Formula:
    """A number field of the transaction."""
    return lambda features: features.batch.rows.number(name)


def marked(mark: Mark) -> Formula:
    """Whether a mark is set."""
    return lambda features: NumberColumn.full(features.batch.has(mark))


def word_is(field: str, *words: str) -> Formula:
    """Whether a text field is one of some words."""

    def compute(features: Said) -> NumberColumn:
        column = features.text(field)
        wanted = np.array([word in words for word in column.words] or [False])
        return NumberColumn.full(wanted[column.codes] & column.present)

    return compute


def code_in(field: str, words: tuple[str, ...]) -> Formula:
    """The place of a text in a closed set."""
    place = {word: number for number, word in enumerate(words)}

    def compute(features: Said) -> NumberColumn:
        column = features.text(field)
        numbers = np.array([place[word] for word in column.words] or [0], np.float64)
        return where(numbers[column.codes], column.present)

    return compute


def first_time(mark: Mark, seen: int) -> Formula:
    """Named, and not seen in the last 30 days."""
    return lambda features: where(features.said(seen) == 0, features.batch.has(mark))


def hour_share(features: Said) -> NumberColumn:
    """Share of the known hours that are this hour."""
    known = features.said(outputs.HOUR_KNOWN)
    present = (known >= HOURS_NEEDED) & (features.said(outputs.HOUR_OF_DAY) >= 0)
    return where(features.said(outputs.HOUR_SAME) / np.maximum(known, 1), present)


def speed(features: Said) -> NumberColumn:
    """Kilometres an hour since the previous place."""
    since = features.said(outputs.SINCE_PLACE)
    hours = np.maximum(since, SPEED_FLOOR) / outputs.HOUR
    return where(features.said(outputs.METRES) / 1_000 / hours, since >= 0)


def ratio_to(to: str) -> Formula:
    """The amount against another number of the user's."""

    def compute(features: Said) -> NumberColumn:
        base = features.number(to)
        present = base.present & (base.values > 0)
        return where(features.number("amount").values / np.where(present, base.values, 1), present)

    return compute


def account_age(features: Said) -> NumberColumn:
    """Days since the account was opened, at this payment."""
    opened = features.batch.rows.number("account_opened_on")
    return where(np.floor(features.batch.event_time / outputs.DAY) - opened.values, opened.present)


def country_mismatch(features: Said) -> NumberColumn:
    """Payer and merchant in two countries."""
    country, address = features.text("country"), features.text("ip_country")
    words = {word: number for number, word in enumerate(country.words)}
    same = np.array([words.get(word, -1) for word in address.words] or [-1])
    return where(same[address.codes] != country.codes, country.present & address.present)


def amount(features: Said) -> NumberColumn:
    """What the user is billed, in major units."""
    return NumberColumn.full(features.batch.amount / features.scale)


def mcc_number(features: Said) -> NumberColumn:
    """The merchant category as a number."""
    return where(features.batch.mcc, features.batch.has(Mark.HAS_MCC))
