"""Every feature of the table, against values worked out by hand."""

from datetime import date, timedelta, timezone
from typing import Any

import pytest

from fraud.columns import ColumnKind
from fraud.engine import Engine
from fraud.features import COLUMN_KINDS, FEATURES, MODEL_FEATURES, TEXTS, Features, values_of
from fraud.policy import Policy
from fraud.rule_set import RuleSet
from fraud.schema import Authentication, Channel, EntryMode, Transaction
from tests.builders import NOON, batch_of, transaction

MINUTE, HOUR, DAY = 60, 3_600, 86_400
BERLIN, PARIS = {"latitude": 52.52, "longitude": 13.405}, {"latitude": 48.857, "longitude": 2.352}
POLICY = Policy(rules=RuleSet(version=1, default_currency="EUR", rules=()))


def features_of(*stream: Transaction) -> Features:
    numbered = [
        transaction(
            **{**{name: getattr(one, name) for name in Transaction.__struct_fields__}, "transaction_id": f"t{at}"}
        )
        for at, one in enumerate(stream)
    ]
    return Engine().decide(batch_of(*numbered), POLICY, {}).features


def last(*stream: Transaction) -> dict[str, float | None]:
    """Every feature of the last payment of a stream."""
    return values_of(features_of(*stream), len(stream) - 1)


def some(values: dict[str, float | None], *names: str) -> list[float | None]:
    return [values[name] for name in names]


def test_of_a_first_bare_payment_little_is_known() -> None:
    values = last(transaction(amount=12.5))

    known = {name: value for name, value in values.items() if value is not None}
    zeros = {
        f"{name}_{window}"
        for name in ("count", "declined", "amount_sum")
        for window in ("5m", "1h", "24h", "7d", "30d")
    }
    assert known.pop("amount") == 12.5
    assert known == dict.fromkeys(
        {*zeros, "countries_24h", "merchants_24h"}
        | {"is_card_present", "is_online", "is_cash", "is_verification", "is_merchant_initiated"},
        0.0,
    )


def test_windows_are_open_at_their_far_end_and_hold_declines_as_counts_only() -> None:
    values = last(
        transaction(after=-30 * DAY, amount=999.0),  # exactly 30 d: outside
        transaction(after=-30 * DAY + 1, amount=100.0),
        transaction(after=-7 * DAY, amount=40.0),  # exactly 7 d: only in 30 d
        transaction(after=-DAY + 1, amount=20.0),
        transaction(after=-HOUR, amount=8.0),
        transaction(after=-HOUR + 1, amount=6.0, outcome="declined"),
        transaction(after=-5 * MINUTE + 1, amount=0.0, kind="verification"),
        transaction(after=-1, amount=7.0, kind="refund"),
        transaction(after=-1, amount=5.0, currency="USD"),
        transaction(amount=50.0),
    )

    assert [values[f"count_{window}"] for window in ("5m", "1h", "24h", "7d", "30d")] == [2, 3, 5, 5, 7]
    assert [values[f"declined_{window}"] for window in ("5m", "1h", "24h", "7d", "30d")] == [0, 1, 1, 1, 1]
    assert [values[f"amount_sum_{window}"] for window in ("5m", "1h", "24h", "7d", "30d")] == [0, 0, 28, 28, 168]
    assert [values[f"amount_mean_{window}"] for window in ("5m", "1h", "24h", "7d", "30d")] == [None, None, 14, 14, 42]
    assert [values[f"amount_max_{window}"] for window in ("5m", "1h", "24h", "7d", "30d")] == [None, None, 20, 20, 100]
    assert some(values, "amount_to_mean_30d", "amount_to_max_30d") == [50 / 42, 0.5]
    assert values["seconds_since_last"] == 1
    assert values["history_days"] == pytest.approx(30 - 1 / DAY)


def test_money_is_in_major_units_of_the_payments_own_currency() -> None:
    values = last(
        transaction(after=-20, amount=300, currency="JPY"),
        transaction(after=-10, amount=1.25, currency="KWD"),
        transaction(amount=600, currency="JPY"),
    )

    assert some(values, "amount", "amount_sum_5m", "amount_mean_5m", "amount_max_5m") == [600, 300, 300, 300]
    assert values["amount_to_max_30d"] == 2


def test_a_ratio_to_nothing_is_absent() -> None:
    values = last(transaction(after=-10, amount=0.0), transaction(amount=10.0))

    assert some(values, "amount_mean_30d", "amount_to_mean_30d", "amount_to_max_30d") == [0.0, None, None]


def test_places_are_compared_along_the_great_circle_with_time_floored() -> None:
    hour_ago = transaction(after=-HOUR, channel="pos", **BERLIN)
    a_second_ago = transaction(after=-1, channel="pos", **BERLIN)
    now = transaction(channel="atm", **PARIS)

    slow, quick = last(hour_ago, now), last(a_second_ago, now)

    assert slow["km_since_place"] == pytest.approx(877.5, abs=1)
    assert slow["seconds_since_place"] == HOUR
    assert slow["kmh_since_place"] == slow["km_since_place"]
    assert quick["seconds_since_place"] == 1
    assert quick["kmh_since_place"] == pytest.approx(quick["km_since_place"] * 60)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param({"channel": "online"}, {"channel": "pos"}, id="bought online before"),
        pytest.param({"channel": "pos"}, {"channel": "online"}, id="buys online now"),
        pytest.param({"channel": "pos", "outcome": "declined"}, {"channel": "pos"}, id="declined before"),
        pytest.param({"channel": "pos", "initiated_by": "merchant"}, {"channel": "pos"}, id="a subscription before"),
        pytest.param({"channel": "pos", "mcc": "4511"}, {"channel": "pos"}, id="an airline before"),
        pytest.param({"channel": "pos"}, {"channel": "pos", "mcc": "4121"}, id="a taxi now"),
        pytest.param({"channel": "pos", "card_token": "a"}, {"channel": "pos", "card_token": "b"}, id="another card"),
        pytest.param({"channel": "pos", "after": -30 * DAY}, {"channel": "pos"}, id="30 days ago"),
        pytest.param({"channel": "pos", "user_id": "u-two"}, {"channel": "pos"}, id="another user"),
    ],
)
def test_there_is_no_journey_without_two_physical_places(before: dict[str, Any], now: dict[str, Any]) -> None:
    values = last(transaction(**{"after": -HOUR, **BERLIN, **before}), transaction(**PARIS, **now))

    assert some(values, "seconds_since_place", "km_since_place", "kmh_since_place") == [None] * 3


def test_distinct_countries_and_merchants_of_a_day() -> None:
    values = last(
        transaction(after=-DAY, country="IT", merchant_id="old"),
        transaction(after=-3, country="DE", merchant_id="a"),
        transaction(after=-2, country="FR", merchant_id="a"),
        transaction(after=-1, country="DE", merchant_id="b"),
        transaction(after=-1),
        transaction(country="ES", merchant_id="c"),
    )

    assert some(values, "countries_24h", "merchants_24h") == [2, 2]


def test_the_first_time_in_30_days_is_new_and_absent_is_neither() -> None:
    known = transaction(after=-1, merchant_id="m", device_id="d", country="DE")
    old = transaction(after=-30 * DAY, merchant_id="m", device_id="d", country="DE")
    now = transaction(merchant_id="m", device_id="d", country="DE")
    names = ("new_merchant", "new_device", "new_country")

    assert some(last(known, now), *names) == [0, 0, 0]
    assert some(last(old, now), *names) == [1, 1, 1]
    assert some(last(known, transaction()), *names) == [None] * 3


def test_the_local_clock_is_that_of_the_terminal_or_of_the_last_one() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-13)))  # 23:00 on Sunday
    at_terminal = transaction(event_time=there, channel="pos")
    online = transaction(after=60, channel="online")

    assert some(last(at_terminal), "hour", "weekday") == [23, 6]
    assert some(last(at_terminal, online), "hour", "weekday") == [23, 6]
    assert some(last(online), "hour", "weekday") == [None, None]
    assert some(last(at_terminal, transaction(after=60)), "hour", "weekday") == [None, None]


@pytest.mark.parametrize(
    ("known", "share"), [pytest.param(19, None, id="one too few"), pytest.param(20, 0.25, id="enough")]
)
def test_a_share_of_hours_needs_twenty_payments(known: int, share: float | None) -> None:
    earlier = [transaction(after=-DAY * 2 + HOUR * (at % 4), channel="pos") for at in range(known)]

    assert last(*earlier, transaction(after=-DAY, channel="pos"))["hour_share_30d"] == share


def test_what_the_payment_says_itself() -> None:
    values = last(
        transaction(
            kind="cash", channel="atm", mcc="6011", entry_mode="chip", authentication="pin", initiated_by="merchant",
            country="DE", ip_country="FR", available_amount=-20.5, original_amount=11.0, original_currency="USD",
            account_opened_on=date(2026, 2, 28), **BERLIN,
        )
    )  # fmt: skip

    assert some(values, "is_cash", "is_card_present", "is_merchant_initiated", "is_online", "is_verification") == [
        1,
        1,
        1,
        0,
        0,
    ]
    assert some(values, "available_amount", "original_amount", "latitude", "longitude") == [-20.5, 11.0, 52.52, 13.405]
    assert some(values, "country_mismatch", "account_age_days", "mcc_code") == [1, 2, 6011]
    assert values["channel_code"] == list(Channel).index(Channel.ATM)
    assert values["entry_mode_code"] == list(EntryMode).index(EntryMode.CHIP)
    assert values["authentication_code"] == list(Authentication).index(Authentication.PIN)


def test_more_that_a_payment_says_itself() -> None:
    online = last(transaction(channel="online", kind="verification", country="DE", ip_country="DE"))
    half = last(transaction(country="DE"))

    assert some(online, "is_online", "is_verification", "country_mismatch") == [1, 1, 0]
    assert half["country_mismatch"] is None


def test_the_currency_judged_is_the_default_where_none_is_named() -> None:
    column = features_of(transaction(), transaction(currency="USD")).text("currency")

    assert [column.words[code] for code in column.codes] == ["EUR", "USD"]
    assert column.present.all()


def test_every_declared_column_can_be_asked_for_and_no_other() -> None:
    features = features_of(transaction(), transaction(channel="pos", **BERLIN))

    for name, kind in COLUMN_KINDS.items():
        column = features.text(name) if kind is ColumnKind.TEXT else features.number(name)
        assert len(column) == len(column.present) == 2
        assert column.present.dtype == bool
        if kind is ColumnKind.BOOLEAN:
            assert set(features.number(name).values.tolist()) <= {0.0, 1.0}
    for ask in (features.number, features.text):
        with pytest.raises(KeyError):
            ask("fraud")


def test_the_table_says_what_each_feature_means() -> None:
    assert all(
        feature.name == name and feature.meaning and feature.unit and feature.formula
        for name, feature in FEATURES.items()
    )
    assert set(COLUMN_KINDS) == set(FEATURES) | set(TEXTS)
    assert not set(FEATURES) & set(TEXTS)
    assert set(TEXTS) <= set(Transaction.__struct_fields__)
    assert all(COLUMN_KINDS[name] is not ColumnKind.TEXT for name in MODEL_FEATURES)
    assert not {"latitude", "longitude", "original_amount"} & set(MODEL_FEATURES)
    assert {"transaction_id", "user_id"} <= set(TEXTS)


def test_an_empty_batch_has_empty_columns() -> None:
    features = features_of()

    assert all(len(features.number(name)) == 0 for name in FEATURES)
    assert all(len(features.text(name)) == 0 for name in TEXTS)
