from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from dashboard import charts
from dashboard.colours import COLOUR_BY_SEVERITY, SEVERITIES
from dashboard.periods import period
from storage.flags import frames

NOW = datetime(2026, 3, 2, 12, 30, 30, tzinfo=UTC)
OVER = period("15m", NOW)
COMPLETE = len(OVER.complete(NOW))


def buckets_of(*rows):
    return frames.buckets(
        [
            (int(start.timestamp() * 1000), rank, code, count, amount * 10_000)
            for start, rank, code, count, amount in rows
        ]
    )


def drawn(chart: Any) -> pd.DataFrame:
    """The rows that a chart draws."""
    rows: pd.DataFrame = chart.data
    return rows


def test_severities_stack_from_the_mildest_up_and_only_in_one_currency():
    start = OVER.starts[0]
    buckets = buckets_of((start, 4, "EUR", 1, 30), (start, 1, "EUR", 2, 10), (start, 2, "USD", 9, 999))

    rows = drawn(charts.flagged_amount(buckets, OVER, "EUR", COMPLETE))

    assert rows[["severity", "below", "above"]].to_numpy().tolist() == [["low", 0.0, 10.0], ["critical", 10.0, 40.0]]
    assert rows["amount"].tolist() == ["EUR 10.00", "EUR 30.00"]
    assert rows["end"].tolist() == [start + OVER.bucket] * 2


def test_a_bucket_that_still_grows_is_pale():
    buckets = buckets_of((OVER.starts[-2], 3, "EUR", 1, 5), (OVER.starts[-1], 3, "EUR", 1, 5))

    rows = drawn(charts.flagged_amount(buckets, OVER, "EUR", COMPLETE))

    assert rows["opacity"].tolist() == [1.0, 0.45]


def test_every_chart_of_severities_uses_the_one_palette():
    users = frames.users([("u-1", 3, 10, 4, 0)])

    for chart in (charts.flagged_amount(buckets_of(), OVER, "EUR", 0), charts.top_users(users, "EUR")):
        scales = list(_found(chart.to_dict(), "scale"))
        palettes = [scale["range"] for scale in scales if isinstance(scale, dict) and "range" in scale]
        assert palettes == [[COLOUR_BY_SEVERITY[word] for word in SEVERITIES]]


def test_users_keep_the_order_they_come_in_and_amounts_their_currency():
    users = frames.users([("u-2", 5, 12_345_600, 4, 0), ("u-1", 3, 10_000, 1, 0)])

    chart = charts.top_users(users, "EUR")

    assert drawn(chart)["user_id"].tolist() == ["u-2", "u-1"]
    assert drawn(chart)["label"].tolist() == ["5 · EUR 1,234.56", "3 · EUR 1.00"]
    assert chart.to_dict()["layer"][0]["encoding"]["y"]["sort"] is None


def test_amounts_in_several_currencies_are_left_out():
    users = frames.users([("u-2", 5, 12_345_600, 4, 0)])

    assert drawn(charts.top_users(users, None))["label"].tolist() == ["5"]


def test_times_are_drawn_in_utc_over_the_whole_period():
    series = pd.Series(0.0, index=pd.DatetimeIndex(OVER.starts))

    encoded = charts.approved_spend(series, OVER, "EUR", COMPLETE).to_dict()["encoding"]["x"]

    assert encoded["scale"] == {"type": "utc", "domain": [OVER.since.isoformat(), OVER.until.isoformat()]}
    assert "utcFormat" in encoded["axis"]["labelExpr"]


def test_lag_and_arrivals_show_every_value():
    series = pd.Series(range(len(OVER.starts)), index=pd.DatetimeIndex(OVER.starts))

    assert drawn(charts.lag({0: 3, 7: 0})).to_numpy().tolist() == [[0, 3], [7, 0]]
    counted = drawn(charts.arrivals(series, OVER, COMPLETE, "Seen"))
    assert counted["count"].tolist() == list(range(len(OVER.starts)))
    assert (counted["end"] - counted["start"]).unique().tolist() == [timedelta(minutes=1)]


def _found(node, key):
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for child in node.values():
            yield from _found(child, key)
    elif isinstance(node, list):
        for child in node:
            yield from _found(child, key)


def test_an_empty_chart_has_an_axis_without_numbers():
    axis = charts.flagged_amount(buckets_of(), OVER, "EUR", 0).to_dict()["encoding"]["y"]

    assert (axis["axis"]["labels"], axis["scale"]["domain"]) == (False, [0, 1])
