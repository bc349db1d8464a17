"""The declared table of features: name, meaning, unit, formula. Rules, model, dashboard and `docs/features.md` read this table.

A feature is one number about a user before a payment (or about the payment itself), and a function of the last 30 days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np

from fraud import window_columns as outputs
from fraud.batch import Batch, Mark
from fraud.columns import ColumnKind, Columns, Floats, Ints, NumberColumn, TextColumn
from fraud.currencies import code_of, decimals
from fraud.formulas import (
    Formula,
    account_age,
    amount,
    code_in,
    country_mismatch,
    field_of,
    first_time,
    hour_share,
    largest,
    marked,
    mcc_number,
    mean,
    money,
    plain,
    ratio_to,
    speed,
    unless_negative,
    word_is,
)
from fraud.ring import Rows
from fraud.schema import Authentication, Channel, EntryMode

WINDOWS: Final = ("5m", "1h", "24h", "7d", "30d")

TEXTS: Final = (
    *("transaction_id", "user_id", "kind", "outcome", "currency", "merchant_id", "merchant_name", "mcc", "terminal_id"),
    *("channel", "country", "ip_country", "city", "card_token", "device_id", "entry_mode", "authentication"),
    *("initiated_by", "original_currency"),
)


@dataclass(frozen=True, slots=True)
class Feature:
    """One declared number: what it means, its unit, and how it is computed."""

    name: str
    kind: ColumnKind
    compute: Formula
    unit: str
    meaning: str
    formula: str
    for_model: bool = True


class Features:
    """Every named column of one batch, computed when first asked for. Implements `fraud.columns.Columns`."""

    def __init__(self, batch: Batch, windows: Rows) -> None:
        """Join a batch with what the windows said of it (int64, shape (n, OUTPUTS))."""
        self.batch = batch
        self.windows = windows
        self._numbers: dict[str, NumberColumn] = {}
        self._texts: dict[str, TextColumn] = {}

    def __len__(self) -> int:
        """Rows."""
        return len(self.batch)

    def number(self, name: str) -> NumberColumn:
        """A number or boolean feature, or a number field of the transaction. KeyError for an unknown name."""
        column = self._numbers.get(name)
        if column is None:
            column = FEATURES[name].compute(self)
            self._numbers[name] = column
        return column

    def text(self, name: str) -> TextColumn:
        """A text field of the transaction. KeyError for an unknown name."""
        column = self._texts.get(name)
        if column is None:
            if name not in TEXTS:
                raise KeyError(name)
            column = self._currency() if name == "currency" else self.batch.rows.text(name)
            self._texts[name] = column
        return column

    def said(self, column: int) -> Ints:
        """One output of the windows."""
        return self.windows[:, column]

    @cached_property
    def scale(self) -> Floats:
        """Minor units in one major unit, by payment."""
        numbers, inverse = np.unique(self.batch.currency, return_inverse=True)
        return np.array([10.0 ** decimals(code_of(int(number))) for number in numbers])[inverse]

    def _currency(self) -> TextColumn:
        """The currency the payment is judged in: an absent one is the policy's default."""
        numbers, inverse = np.unique(self.batch.currency, return_inverse=True)
        return TextColumn(
            tuple(code_of(int(number)) for number in numbers),
            inverse.astype(np.int64),
            np.ones(len(self.batch), np.bool_),
        )


def values_of(columns: Columns, row: int) -> dict[str, float | None]:
    """Every feature of one payment, None where absent: what a flag keeps."""
    said: dict[str, float | None] = {}
    for name in FEATURES:
        column = columns.number(name)
        said[name] = float(column.values[row]) if column.present[row] else None
    return said


_N, _B = ColumnKind.NUMBER, ColumnKind.BOOLEAN


def _of_windows(at: int, window: str) -> list[Feature]:
    before = f"in the {window} before this payment"
    return [
        Feature(f"count_{window}", _N, plain(outputs.COUNT + at), "payments",
                f"Payments attempted {before}",
                "count of purchases, cash, transfers and verifications, approved or declined"),
        Feature(f"declined_{window}", _N, plain(outputs.DECLINED + at), "payments",
                f"Of these, declined {before}",
                "count of declined attempts"),
        Feature(f"amount_sum_{window}", _N, money(outputs.SPENT + at), "major units of this payment's currency",
                f"Approved spend {before}",
                "sum of approved purchases, cash and transfers in this currency"),
        Feature(f"amount_mean_{window}", _N, mean(at), "major units",
                f"Mean approved payment {before}",
                "sum / count of approved purchases, cash and transfers in this currency; absent without one"),
        Feature(f"amount_max_{window}", _N, largest(at), "major units",
                f"Largest approved payment {before}",
                "maximum; absent without one"),
    ]  # fmt: skip


_TABLE: tuple[Feature, ...] = (
    Feature("amount", _N, amount, "major units",
            "What the user is billed",
            "as received"),
    Feature("available_amount", _N, field_of("available_amount"), "major units",
            "What the account had available",
            "as received"),
    Feature("original_amount", _N, field_of("original_amount"), "major units of original_currency",
            "What the merchant charged, in its own currency",
            "as received", for_model=False),
    Feature("latitude", _N, field_of("latitude"), "degrees north",
            "Where the terminal stands",
            "as received", for_model=False),
    Feature("longitude", _N, field_of("longitude"), "degrees east",
            "Where the terminal stands",
            "as received", for_model=False),
    *(feature for at, window in enumerate(WINDOWS) for feature in _of_windows(at, window)),
    Feature("amount_to_mean_30d", _N, ratio_to("amount_mean_30d"), "ratio",
            "This payment against the user's usual one",
            "amount / amount_mean_30d; absent without spend"),
    Feature("amount_to_max_30d", _N, ratio_to("amount_max_30d"), "ratio",
            "This payment against the user's largest one",
            "amount / amount_max_30d; absent without spend"),
    Feature("seconds_since_last", _N, unless_negative(outputs.SINCE_LAST, outputs.SECOND), "seconds",
            "Time since the previous attempt",
            "absent without one in 30 d"),
    Feature("seconds_since_place", _N, unless_negative(outputs.SINCE_PLACE, outputs.SECOND), "seconds",
            "Time since the card was last somewhere",
            "previous approved, customer-initiated pos or atm payment of the same card (of the user when this one names "
            "none) with a place, leaving out merchants that move"),
    Feature("km_since_place", _N, unless_negative(outputs.METRES, 1_000), "km",
            "Distance from that place",
            "great circle (haversine), rounded to 0.001"),
    Feature("kmh_since_place", _N, speed, "km/h",
            "Speed needed from that place",
            "km_since_place / time, time at least 60 s"),
    Feature("countries_24h", _N, plain(outputs.COUNTRIES), "countries",
            "Distinct merchant countries in the 24h before",
            "count of distinct country"),
    Feature("merchants_24h", _N, plain(outputs.MERCHANTS), "merchants",
            "Distinct merchants in the 24h before",
            "count of distinct merchant_id"),
    Feature("new_merchant", _B, first_time(Mark.HAS_MERCHANT, outputs.SEEN_MERCHANT), "yes or no",
            "First payment to this merchant in 30 d",
            "absent when the payment names none"),
    Feature("new_device", _B, first_time(Mark.HAS_DEVICE, outputs.SEEN_DEVICE), "yes or no",
            "First payment from this device in 30 d",
            "absent when the payment names none"),
    Feature("new_country", _B, first_time(Mark.HAS_COUNTRY, outputs.SEEN_COUNTRY), "yes or no",
            "First payment in this country in 30 d",
            "absent when the payment names none"),
    Feature("hour", _N, unless_negative(outputs.HOUR_OF_DAY), "0 to 23",
            "Local clock hour",
            "pos and atm: the payment's own UTC offset; online and transfer: that of the last card-present payment in 30 d; else absent"),
    Feature("weekday", _N, unless_negative(outputs.WEEKDAY), "0 (Monday) to 6",
            "Local day of the week",
            "by the same offset as hour"),
    Feature("hour_share_30d", _N, hour_share, "share, 0 to 1",
            "How usual this hour is for the user",
            "share of the payments in 30 d with a known hour that fall in this hour; absent under 20"),
    Feature("history_days", _N, unless_negative(outputs.OLDEST, outputs.DAY), "days",
            "How far back the user is known",
            "age of the oldest payment in 30 d; absent without one"),
    Feature("account_age_days", _N, account_age, "days",
            "Age of the account",
            "UTC date of the payment - account_opened_on"),
    Feature("country_mismatch", _B, country_mismatch, "yes or no",
            "The payer's address is in another country than the merchant",
            "ip_country <> country; absent when either is"),
    Feature("is_card_present", _B, marked(Mark.CARD_PRESENT), "yes or no",
            "Paid at a terminal or machine",
            "channel is pos or atm"),
    Feature("is_online", _B, word_is("channel", "online"), "yes or no",
            "Paid online",
            "channel is online"),
    Feature("is_cash", _B, word_is("kind", "cash"), "yes or no",
            "Cash",
            "kind is cash"),
    Feature("is_verification", _B, word_is("kind", "verification"), "yes or no",
            "A card check without a payment",
            "kind is verification"),
    Feature("is_merchant_initiated", _B, word_is("initiated_by", "merchant"), "yes or no",
            "A subscription or the like",
            "initiated_by is merchant"),
    Feature("mcc_code", _N, mcc_number, "ISO 18245 number",
            "Merchant category",
            "mcc as a number, for models"),
    Feature("channel_code", _N, code_in("channel", tuple(Channel)), "number in the order of the schema",
            "Channel",
            "for models"),
    Feature("entry_mode_code", _N, code_in("entry_mode", tuple(EntryMode)), "number in the order of the schema",
            "Entry mode",
            "for models"),
    Feature("authentication_code", _N, code_in("authentication", tuple(Authentication)), "number in the order of the schema",
            "Authentication",
            "for models"),
)  # fmt: skip

FEATURES: Mapping[str, Feature] = MappingProxyType({feature.name: feature for feature in _TABLE})
"""The table, by name, in the order of the documentation."""

MODEL_FEATURES: tuple[str, ...] = tuple(feature.name for feature in _TABLE if feature.for_model)
"""What a model may use."""

COLUMN_KINDS: Mapping[str, ColumnKind] = MappingProxyType(
    {name: feature.kind for name, feature in FEATURES.items()} | dict.fromkeys(TEXTS, ColumnKind.TEXT)
)
"""Every name that an expression may use."""
