"""The transaction and the label as they travel: JSON on the wire, one struct inside.

Every optional field may be absent; absent is None. The JSON Schema in `docs/transaction.schema.json` is generated from here.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class _Word(StrEnum):
    """A closed set of words, hashed as text (an Enum hashes by name, in Python, five times slower)."""

    __hash__ = str.__hash__


class Kind(_Word):
    """What the payment does. Absent is judged as a purchase."""

    PURCHASE = "purchase"
    CASH = "cash"
    REFUND = "refund"
    REVERSAL = "reversal"
    VERIFICATION = "verification"
    TRANSFER = "transfer"


class Outcome(_Word):
    """What the issuer answered. Absent is taken as approved."""

    APPROVED = "approved"
    DECLINED = "declined"


class Channel(_Word):
    """Where the payment was made. `pos` and `atm` are card-present."""

    POS = "pos"
    ONLINE = "online"
    ATM = "atm"
    TRANSFER = "transfer"


class EntryMode(_Word):
    """How the card's data reached the terminal or the shop."""

    CHIP = "chip"
    CONTACTLESS = "contactless"
    STRIPE = "stripe"
    FALLBACK = "fallback"
    KEYED = "keyed"
    ECOMMERCE = "ecommerce"
    ON_FILE = "on_file"


class Authentication(_Word):
    """How the payer proved who they are."""

    PIN = "pin"
    CHALLENGE = "3ds_challenge"
    FRICTIONLESS = "3ds_frictionless"
    EXEMPT = "exempt"
    NONE = "none"


class Initiator(_Word):
    """Who started the payment. Absent is taken as the customer."""

    CUSTOMER = "customer"
    MERCHANT = "merchant"


Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
# The patterns are for editors and other languages; `fraud.decoding` checks them by table, a third of the cost of a regular expression.
FourDigits = Annotated[str, Meta(min_length=4, max_length=4, extra_json_schema={"pattern": "^[0-9]{4}$"})]
CurrencyCode = Annotated[str, Meta(min_length=3, max_length=3, extra_json_schema={"pattern": "^[A-Z]{3}$"})]
CountryCode = Annotated[str, Meta(min_length=2, max_length=2, extra_json_schema={"pattern": "^[A-Z]{2}$"})]
Money = Annotated[float, Meta(ge=0)]
Moment = Annotated[datetime, Meta(tz=True)]


class Transaction(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One payment request, as an event. Four fields are required; everything else may be absent."""

    transaction_id: Identifier
    user_id: Identifier
    event_time: Moment
    """RFC 3339 with an offset; for `pos` and `atm` the offset gives the local hour where the card is."""
    amount: Money
    """What the user is billed, in `currency`, in major units with at most the currency's decimals."""

    kind: Kind | None = None
    outcome: Outcome | None = None
    currency: CurrencyCode | None = None
    """ISO 4217; absent means the policy's default currency."""
    merchant_id: Identifier | None = None
    merchant_name: Text | None = None
    mcc: FourDigits | None = None
    """ISO 18245, four digits as text."""
    terminal_id: Identifier | None = None
    channel: Channel | None = None

    country: CountryCode | None = None
    """The merchant's country, ISO 3166-1 alpha-2."""
    ip_country: CountryCode | None = None
    """The payer's country by address, ISO 3166-1 alpha-2."""
    city: Text | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    """Degrees north, WGS 84."""
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    """Degrees east, WGS 84."""

    card_token: Identifier | None = None
    card_last4: FourDigits | None = None
    device_id: Identifier | None = None
    entry_mode: EntryMode | None = None
    authentication: Authentication | None = None
    initiated_by: Initiator | None = None

    available_amount: Annotated[float, Meta(ge=-1e15, le=1e15)] | None = None
    original_amount: Annotated[float, Meta(ge=0, le=1e15)] | None = None
    original_currency: CurrencyCode | None = None
    account_opened_on: date | None = None


class LabelSource(_Word):
    """Who says so, from the strongest to the weakest: correction, fraud_report or dispute, customer, verdict."""

    VERDICT = "verdict"
    CUSTOMER = "customer"
    FRAUD_REPORT = "fraud_report"
    DISPUTE = "dispute"
    CORRECTION = "correction"


class LabelValue(_Word):
    """What the payment turned out to be. `first_party` is neither a fraud positive nor a false alarm."""

    FRAUD = "fraud"
    LEGITIMATE = "legitimate"
    FIRST_PARTY = "first_party"
    UNSURE = "unsure"


class Label(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Truth that arrives later: an appended record on topic `labels`, keyed by user; never part of the transaction."""

    transaction_id: Identifier
    user_id: Identifier
    source: LabelSource
    label: LabelValue
    event_time: Moment
    """Of the payment it is about."""
    reported_at: Moment
    fraud_type: Text | None = None


class User(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What topic `users` says about a user, for display only."""

    user_id: Identifier
    name: Text | None = None
    home_city: Text | None = None
