"""Rules: boundaries, absence, segments, and what would have passed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.batch import Batch
from fraud.currencies import decimals, to_major, to_minor
from fraud.features import Features
from fraud.hits import Hits
from fraud.rule_values import Window
from fraud.rules import Expression, GeoMismatch, HighAmount, HighFrequency, UnusualHour
from fraud.windows import new_outputs
from tests.builders import batch_of, transaction
from tests.fraud.tables import Table, Value, one_row


def one(**what_matters: Any) -> Batch:
    """A batch of one payment."""
    return batch_of(transaction(**what_matters))


def high_amount(rule: HighAmount, batch: Batch) -> Hits:
    """A rule that reads nothing but the payments themselves."""
    return rule.check(batch, Features(batch, new_outputs(len(batch))))


def fires(hits: Hits) -> bool:
    """Of one payment."""
    assert hits.mask.shape == (1,)
    assert hits.mask.dtype == np.bool_
    return bool(hits.mask[0])


@pytest.mark.parametrize(
    ("payment", "flagged"),
    [
        pytest.param({"amount": 0.0}, False, id="nothing"),
        pytest.param({"amount": 999.99}, False, id="just under the limit"),
        pytest.param({"amount": 1000.0}, False, id="exactly at the limit"),
        pytest.param({"amount": 1000.01}, True, id="just over the limit"),
        pytest.param({"amount": 1000.01, "currency": "EUR"}, True, id="in the default currency by name"),
        pytest.param({"amount": 150_000.0, "currency": "JPY"}, False, id="yen at the limit"),
        pytest.param({"amount": 150_001.0, "currency": "JPY"}, True, id="one yen over the limit"),
        pytest.param({"amount": 300.001, "currency": "KWD"}, True, id="a thousandth of a dinar over the limit"),
        pytest.param({"amount": 5000.0, "currency": "USD"}, False, id="a currency without a limit"),
        pytest.param({"amount": 5000.0, "kind": "refund"}, False, id="a refund"),
        pytest.param({"amount": 5000.0, "kind": "reversal"}, False, id="a reversal"),
        pytest.param({"amount": 5000.0, "kind": "cash"}, True, id="cash"),
        pytest.param({"amount": 5000.0, "kind": "transfer"}, True, id="a transfer"),
        pytest.param({"amount": 5000.0, "outcome": "declined"}, True, id="a declined attempt"),
    ],
)
def test_high_amount_fires_above_the_limit_of_the_currency(payment: dict[str, Any], flagged: bool) -> None:
    rule = HighAmount(id="large", limit={"EUR": 1000, "JPY": 150_000, "KWD": 300})

    assert fires(high_amount(rule, one(**payment))) is flagged


def test_payments_in_a_currency_without_a_limit_are_counted() -> None:
    payments = [transaction(currency="USD"), transaction(currency="EUR"), transaction(currency="USD", kind="refund")]

    hits = high_amount(HighAmount(id="large", limit={"EUR": 1000}), batch_of(*payments))

    assert hits.without_limit is not None
    assert hits.without_limit.tolist() == [True, False, False]


def test_high_amount_says_what_was_seen_and_what_would_pass() -> None:
    rule = HighAmount(id="large", limit={"EUR": 812}, severity="high")

    hit = rule.hit(high_amount(rule, one(amount=1234.5)), 0)

    assert (hit.observed, hit.threshold, hit.passes_at) == (1234.5, 812.0, 812.0)
    assert hit.reason == "1,234.50 EUR is more than 812.00 EUR"
    assert hit.counterfactual == "this rule alone would not fire at ≤ 812.00 EUR"
    assert (hit.rule, hit.kind, hit.severity, hit.mode) == ("large", "high_amount", "high", "live")


@given(
    limit=st.integers(0, 10**11),
    over=st.integers(1, 10**11),
    currency=st.sampled_from(["EUR", "JPY", "KWD", "CLF"]),
)
def test_an_amount_exactly_at_passes_at_does_not_fire(limit: int, over: int, currency: str) -> None:
    rule = HighAmount(id="large", limit={currency: to_major(limit, currency)})
    hits = high_amount(rule, one(amount=to_major(limit + over, currency), currency=currency))
    passes_at = float(hits.passes_at[0])

    assert fires(hits)
    assert to_minor(passes_at, currency) == limit
    assert not fires(high_amount(rule, one(amount=passes_at, currency=currency)))
    assert fires(high_amount(rule, one(amount=round(passes_at + 10.0 ** -decimals(currency), 4), currency=currency)))


@pytest.mark.parametrize(
    ("earlier", "flagged"),
    [
        pytest.param(0, False, id="the first one"),
        pytest.param(4, False, id="exactly at the limit"),
        pytest.param(5, True, id="one over the limit"),
    ],
)
def test_high_frequency_counts_the_payment_itself(earlier: int, flagged: bool) -> None:
    hits = HighFrequency(id="burst", limit=5).check(one(), one_row(count_5m=earlier))

    assert fires(hits) is flagged
    if flagged:
        assert hits.passes_at.tolist() == [5]
        assert hits.reason(0) == "6 payments in 5 minutes, this one included; more than 5"
        assert hits.counterfactual(0) == "this rule alone would not fire at ≤ 5 payments in 5 minutes"


@pytest.mark.parametrize("window", list(Window))
def test_high_frequency_reads_the_window_it_names(window: Window) -> None:
    counts = {f"count_{each}": 9 if each is window else 0 for each in Window}

    assert fires(HighFrequency(id="burst", limit=5, window=window).check(one(), one_row(**counts)))


NIGHT = {"between": "00:00-05:00"}
RARE = {"share_below": "2 %"}


@pytest.mark.parametrize(
    ("given_", "hour", "share", "flagged"),
    [
        pytest.param(NIGHT, 0, None, True, id="the first hour of the night"),
        pytest.param(NIGHT, 4, None, True, id="the last hour of the night"),
        pytest.param(NIGHT, 5, None, False, id="the hour after the night"),
        pytest.param(NIGHT, 23, None, False, id="the hour before the night"),
        pytest.param(NIGHT, None, None, False, id="an unknown hour"),
        pytest.param({"between": "22:00-05:00"}, 22, None, True, id="before midnight"),
        pytest.param({"between": "22:00-05:00"}, 0, None, True, id="after midnight"),
        pytest.param({"between": "22:00-05:00"}, 5, None, False, id="after a night that crosses midnight"),
        pytest.param({"between": "22:00-05:00"}, 21, None, False, id="before a night that crosses midnight"),
        pytest.param({"between": "22:00-24:00"}, 23, None, True, id="until midnight"),
        pytest.param({"between": "22:00-24:00"}, 0, None, False, id="midnight itself"),
        pytest.param(RARE, 14, 0.0, True, id="never at this hour"),
        pytest.param(RARE, 14, 0.0199, True, id="just under the share"),
        pytest.param(RARE, 14, 0.02, False, id="exactly at the share"),
        pytest.param(RARE, 14, 0.5, False, id="often at this hour"),
        pytest.param(RARE, 14, None, False, id="too few payments for a share"),
        pytest.param(NIGHT | RARE, 3, 0.0, True, id="at night and rare"),
        pytest.param(NIGHT | RARE, 3, 0.5, False, id="at night, but usual"),
        pytest.param(NIGHT | RARE, 14, 0.0, False, id="rare, but by day"),
        pytest.param(NIGHT | RARE, 3, None, False, id="at night of an unknown user"),
    ],
)
def test_unusual_hour_needs_all_that_is_given(
    given_: dict[str, str], hour: int | None, share: float | None, flagged: bool
) -> None:
    rule = UnusualHour.model_validate({"id": "night", **given_})

    assert fires(rule.check(one(), one_row(hour=hour, hour_share_30d=share))) is flagged


def test_unusual_hour_is_of_low_severity_and_says_both_ways_out() -> None:
    rule = UnusualHour.model_validate({"id": "night", **NIGHT, **RARE})

    hit = rule.hit(rule.check(one(), one_row(hour=3, hour_share_30d=0.008)), 0)

    assert hit.severity == "low"
    assert (hit.observed, hit.threshold, hit.passes_at) == (0.008, 0.02, 0.02)
    assert hit.reason == (
        "paid in the hour from 03:00 local time, where 0.8 % of the user's payments fall, less than 2 %, between 00:00 and 05:00"
    )
    assert hit.counterfactual == (
        "this rule alone would not fire at ≥ 2 % of the user's payments in this hour, or outside 00:00-05:00"
    )


@given(start=st.integers(0, 23), length=st.integers(1, 23), hour=st.integers(0, 23))
def test_an_hour_at_passes_at_does_not_fire(start: int, length: int, hour: int) -> None:
    rule = UnusualHour(id="night", between=f"{start:02}:00-{(start + length) % 24:02}:00")
    hits = rule.check(one(), one_row(hour=hour))

    assert fires(hits) is ((hour - start) % 24 < length)
    if fires(hits):
        assert not fires(rule.check(one(), one_row(hour=float(hits.passes_at[0]))))


@pytest.mark.parametrize(
    ("km", "kmh", "flagged"),
    [
        pytest.param(100.0, 900.1, True, id="exactly far enough, just too fast"),
        pytest.param(99.999, 5000.0, False, id="just too near"),
        pytest.param(5000.0, 900.0, False, id="exactly as fast as a plane"),
        pytest.param(5000.0, 4000.0, True, id="far and fast"),
        pytest.param(None, None, False, id="no previous place"),
        pytest.param(5000.0, None, False, id="an unknown speed"),
    ],
)
def test_geo_mismatch_needs_distance_and_speed(km: float | None, kmh: float | None, flagged: bool) -> None:
    columns = one_row(km_since_place=km, kmh_since_place=kmh, seconds_since_place=2100)

    assert fires(GeoMismatch(id="apart").check(one(), columns)) is flagged


def test_geo_mismatch_tells_the_journey() -> None:
    rule = GeoMismatch(id="apart")

    hit = rule.hit(
        rule.check(one(), one_row(km_since_place=1204.25, kmh_since_place=2064.4286, seconds_since_place=2100)), 0
    )

    assert (hit.observed, hit.passes_at) == (2064.4286, 900.0)
    assert hit.reason == "1,204.25 km from the previous place in 35 min: 2,064.43 km/h is faster than 900 km/h"
    assert hit.counterfactual == "this rule alone would not fire at ≤ 900 km/h, or nearer than 100 km"


def test_an_expression_fires_where_its_condition_is_true() -> None:
    rule = Expression(id="unlike", condition="amount > 3 * amount_mean_30d AND new_device")
    table = Table(
        4,
        {
            "amount": [950.0, 950.0, 950.0, 600.0],
            "amount_mean_30d": [200.25, None, 200.25, 200.25],
            "new_device": [True, True, None, True],
        },
    )

    hits = rule.check(batch_of(*[transaction(transaction_id=f"t{i}") for i in range(4)]), table)

    assert hits.mask.tolist() == [True, False, False, False]
    hit = rule.hit(hits, 0)
    assert (hit.observed, hit.threshold, hit.passes_at) == (950.0, 600.75, 600.75)
    assert hit.reason == (
        "amount > 3 * amount_mean_30d AND new_device (amount 950, amount_mean_30d 200.25, new_device yes)"
    )
    assert hit.counterfactual == "this rule alone would not fire at amount ≤ 600.75"


def test_an_expression_without_a_single_bound_says_so_in_words() -> None:
    rule = Expression(id="abroad", condition="country <> 'NL' OR\n  mcc IS NULL")

    hit = rule.hit(rule.check(one(), one_row(country="FR")), 0)

    assert (hit.observed, hit.threshold, hit.passes_at) == (None, None, None)
    assert hit.reason == "country <> 'NL' OR mcc IS NULL (country FR, mcc unknown)"
    assert hit.counterfactual == "this rule alone would not fire if this were not so: country <> 'NL' OR mcc IS NULL"


COMPARISONS = {">": "amount > {0}", ">=": "amount >= {0}", "<": "amount < {0}", "<=": "amount <= {0}"}


@given(
    operator=st.sampled_from(list(COMPARISONS)),
    amount=st.floats(-1e9, 1e9, allow_nan=False),
    mean=st.floats(-1e6, 1e6, allow_nan=False),
)
def test_an_expression_passes_exactly_at_passes_at(operator: str, amount: float, mean: float) -> None:
    rule = Expression(id="unlike", condition=COMPARISONS[operator].format("3 * amount_mean_30d") + " AND new_device")

    def check(value: float) -> Hits:
        return rule.check(one(), one_row(amount=value, amount_mean_30d=mean, new_device=True))

    hits = check(amount)
    if not fires(hits):
        return
    passes_at = float(hits.passes_at[0])

    assert not fires(check(passes_at))
    assert fires(check(float(np.nextafter(passes_at, amount))))


@given(value=st.floats(1, 1e9), mean=st.floats(1, 1e6))
def test_what_the_counterfactual_says_holds_to_the_cent(value: float, mean: float) -> None:
    rule = Expression(id="unlike", condition="amount > amount_mean_30d")
    hits = rule.check(one(), one_row(amount=value, amount_mean_30d=mean))
    if not fires(hits):
        return
    said = float(hits.counterfactual(0).rpartition("≤ ")[2].replace(",", ""))

    assert not fires(rule.check(one(), one_row(amount=said, amount_mean_30d=mean)))


def test_an_expression_judges_refunds_and_built_in_rules_do_not() -> None:
    refund = one(kind="refund", amount=5000.0)
    columns: dict[str, Value] = {
        "amount": 5000.0,
        "count_5m": 9,
        "hour": 3,
        "km_since_place": 999,
        "kmh_since_place": 9999,
    }
    table = one_row(kind="refund", **columns)

    assert fires(Expression(id="refunds", condition="kind = 'refund' AND amount > 500").check(refund, table))
    for rule in (HighFrequency(id="b"), UnusualHour(id="n", between="00:00-05:00"), GeoMismatch(id="g")):
        assert fires(rule.check(one(), table))
        assert not fires(rule.check(refund, table))


@pytest.mark.parametrize(
    "rule",
    [
        HighAmount(id="a", limit={"EUR": 1}, segment="channel = 'online'"),
        HighFrequency(id="b", segment="channel = 'online'"),
        UnusualHour(id="c", between="00:00-05:00", segment="channel = 'online'"),
        GeoMismatch(id="d", segment="channel = 'online'"),
        Expression(id="e", condition="amount > 1", segment="channel = 'online'"),
    ],
    ids=lambda rule: rule.kind,
)
def test_a_rule_judges_only_its_segment(rule: Any) -> None:
    seen: dict[str, Value] = {"amount": 10.0, "count_5m": 9, "hour": 3, "km_since_place": 999, "kmh_since_place": 9999}

    assert fires(rule.check(one(), one_row(channel="online", **seen)))
    assert not fires(rule.check(one(), one_row(channel="pos", **seen)))
    assert not fires(rule.check(one(), one_row(channel=None, **seen)))


def test_a_rule_says_nothing_of_a_payment_it_did_not_flag() -> None:
    hits = HighFrequency(id="burst").check(one(), one_row(count_5m=0))

    with pytest.raises(IndexError, match="did not fire"):
        hits.reason(0)


def test_rules_take_an_empty_batch() -> None:
    rules = (
        HighAmount(id="a", limit={"EUR": 1}),
        HighFrequency(id="b"),
        GeoMismatch(id="c"),
        Expression(id="d", condition="amount > 1"),
    )

    assert [rule.check(batch_of(), Table(0, {})).mask.tolist() for rule in rules] == [[]] * 4
