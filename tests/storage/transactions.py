"""Any transaction that the wire would take, for properties."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from fraud.currencies import decimals
from fraud.schema import Authentication, Channel, EntryMode, Initiator, Kind, Outcome, Transaction

START = datetime(2025, 3, 1, tzinfo=UTC)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
_DEGREES = st.integers(-800_000_000, 800_000_000).map(lambda ticks: ticks / 1e7)
_CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", None])


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    """A valid transaction of March 2025 with any optional fields."""

    def maybe(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | values)

    currency = draw(_CURRENCIES)
    minor = draw(st.integers(0, 10**9))
    places = decimals(currency or "EUR")
    zone = timezone(timedelta(minutes=draw(st.sampled_from([0, 60, 120, -300, 330, 840]))))
    moment = START + timedelta(microseconds=draw(st.integers(0, 30 * 86_400_000_000)))
    place = maybe(st.tuples(_DEGREES, _DEGREES.map(lambda degrees: 2 * degrees)))
    return Transaction(
        transaction_id=draw(_TEXT),
        user_id=draw(_TEXT),
        event_time=moment.astimezone(zone),
        amount=minor / 10**places,
        kind=maybe(st.sampled_from(Kind)),
        outcome=maybe(st.sampled_from(Outcome)),
        currency=currency,
        merchant_id=maybe(_TEXT),
        merchant_name=maybe(_TEXT),
        mcc=maybe(st.integers(0, 9_999).map("{:04}".format)),
        terminal_id=maybe(_TEXT),
        channel=maybe(st.sampled_from(Channel)),
        country=maybe(st.sampled_from(["BE", "US", "JP"])),
        ip_country=maybe(st.sampled_from(["BE", "US", "JP"])),
        city=maybe(_TEXT),
        latitude=place[0] if place else None,
        longitude=place[1] if place else None,
        card_token=maybe(_TEXT),
        card_last4=maybe(st.just("0042")),
        device_id=maybe(_TEXT),
        entry_mode=maybe(st.sampled_from(EntryMode)),
        authentication=maybe(st.sampled_from(Authentication)),
        initiated_by=maybe(st.sampled_from(Initiator)),
        available_amount=maybe(st.integers(-(10**9), 10**9).map(lambda minor: minor / 100)),
        original_amount=maybe(st.integers(0, 10**9).map(lambda minor: minor / 100)),
        original_currency=maybe(st.sampled_from(["EUR", "JPY"])),
        account_opened_on=maybe(st.dates(date(1990, 1, 1), date(2025, 1, 1))),
    )
