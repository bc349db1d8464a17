"""Charts: a data frame in, an `alt.Chart` out. No query, no state, no clock."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd

from dashboard.colours import COLOUR_BY_SEVERITY, NEUTRAL, SEVERITIES
from dashboard.counters import of_currency
from dashboard.money import money
from dashboard.periods import Period, clock

_DAY = timedelta(days=1)
_AXIS_WIDTH = 56
"""Both charts of a pair give their y axis the same room, so that their times line up."""
_UNFINISHED = 0.45
_FLAGGED_COLUMNS = ["start", "end", "from", "severity", "below", "above", "amount", "flags", "opacity"]
_SEVERITY_SCALE = alt.Scale(domain=list(SEVERITIES), range=[COLOUR_BY_SEVERITY[word] for word in SEVERITIES])


def flagged_amount(buckets: pd.DataFrame, period: Period, currency: str, complete: int) -> alt.Chart:
    """Amount of flags per bucket, stacked by severity; columns as `flags_per_bucket` gives them.

    `complete` is the number of leading buckets that will not grow any more; later ones are drawn pale.
    """
    rows = _flagged_rows(buckets, period, currency, complete)
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_rect()
        .encode(
            x=_time("start:T", period, labels=False),
            x2="end:T",
            y=_amount("above:Q", "Flagged", is_empty=rows.empty),
            y2="below:Q",
            color=alt.Color("severity:N", scale=_SEVERITY_SCALE, legend=_legend()),
            opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
            tooltip=["from:N", "severity:N", "amount:N", "flags:Q"],
        )
        .properties(height=170)
    )
    return chart


def approved_spend(series: pd.Series, period: Period, currency: str, complete: int) -> alt.Chart:
    """Approved spend per bucket; index the bucket's start, values in major units."""
    rows = _bucket_rows(series.rename("amount"), period, complete)
    rows["value"] = [money(amount, currency) for amount in rows["amount"]]
    chart = _bars(rows, period, _amount("amount:Q", "Approved"))
    return chart.encode(tooltip=["from:N", "value:N"]).properties(height=110)


def top_users(users: pd.DataFrame, currency: str | None) -> alt.LayerChart | alt.FacetChart:
    """Users by number of flags, coloured by their worst severity; columns as `top_users` gives them.

    `currency` is None where the amounts mix several and mean nothing.
    """
    rows = users.assign(
        label=[
            _user_label(flags, amount, currency) for flags, amount in zip(users["flags"], users["amount"], strict=True)
        ],
        latest=[clock(last) for last in users["last"]],
    ).drop(columns=["last"])
    user = alt.Y(
        "user_id:N", sort=None, title=None, axis=alt.Axis(labelLimit=110, ticks=False, domain=False, labelPadding=6)
    )
    most = float(rows["flags"].max()) if len(rows) else 1.0
    flags = alt.X("flags:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * 1.9]))
    base = alt.Chart(rows).encode(
        y=user,
        x=flags,
        tooltip=["user_id:N", "flags:Q", alt.Tooltip("label:N", title="in all"), "worst:N", "latest:N"],
    )
    bars = base.mark_bar(height=13, cornerRadiusEnd=2).encode(
        color=alt.Color("worst:N", scale=_SEVERITY_SCALE, legend=None)
    )
    words = base.mark_text(align="left", dx=5, fontSize=11).encode(text="label:N", color=alt.value(NEUTRAL))
    return alt.layer(bars, words).properties(height=max(1, len(rows)) * 24)


def arrivals(series: pd.Series, period: Period, complete: int, title: str) -> alt.Chart:
    """A plain counter per bucket; index the bucket's start."""
    chart = _bars(_bucket_rows(series.rename("count"), period, complete), period, _amount("count:Q", title))
    return chart.encode(tooltip=["from:N", alt.Tooltip("count:Q", format=",.0f")]).properties(height=150)


def lag(records_by_partition: Mapping[int, int]) -> alt.Chart:
    """Records not yet decided, by partition."""
    rows = pd.DataFrame({"partition": list(records_by_partition), "records": list(records_by_partition.values())})
    most = max([1, *records_by_partition.values()])
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_bar(color=NEUTRAL, cornerRadiusEnd=2)
        .encode(
            x=alt.X("partition:O", title="partition", axis=alt.Axis(labelAngle=0)),
            y=alt.Y(
                "records:Q", title="records", axis=alt.Axis(tickCount=3, format="~s"), scale=alt.Scale(domain=[0, most])
            ),
            tooltip=["partition:O", alt.Tooltip("records:Q", format=",")],
        )
        .properties(height=150)
    )
    return chart


def _bucket_rows(series: pd.Series, period: Period, complete: int) -> pd.DataFrame:
    """One rectangle per bucket; the value's column has the series' name."""
    rows = pd.DataFrame({"start": series.index, series.name: series.to_numpy()})
    rows["end"] = rows["start"] + period.bucket
    rows["from"] = [clock(start) for start in rows["start"]]
    rows["opacity"] = _opacities(len(rows), complete)
    return rows


def _bars(rows: pd.DataFrame, period: Period, height: alt.Y) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_rect(color=NEUTRAL)
        .encode(
            x=_time("start:T", period, labels=True),
            x2="end:T",
            y=height,
            y2=alt.datum(0),
            opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
        )
    )
    return chart


def _flagged_rows(buckets: pd.DataFrame, period: Period, currency: str, complete: int) -> pd.DataFrame:
    """One rectangle per bucket and severity: the mildest stands on the axis, the worst on top."""
    opacity_by_start = dict(zip(period.starts, _opacities(len(period.starts), complete), strict=True))
    own = of_currency(buckets, currency)
    rows: list[dict[str, Any]] = []
    height_by_start: dict[datetime, float] = {}
    for severity in reversed(SEVERITIES):
        for found in own[own["severity"] == severity].to_dict("records"):
            start, amount = found["bucket"].to_pydatetime(), float(found["amount"])
            below = height_by_start.get(start, 0.0)
            height_by_start[start] = below + amount
            rows.append(
                {
                    "start": start,
                    "end": start + period.bucket,
                    "from": clock(start),
                    "severity": severity,
                    "below": below,
                    "above": below + amount,
                    "amount": money(amount, currency),
                    "flags": found["flags"],
                    "opacity": opacity_by_start.get(start, 1.0),
                }
            )
    return pd.DataFrame(rows, columns=_FLAGGED_COLUMNS)


def _opacities(count: int, complete: int) -> list[float]:
    return [1.0 if index < complete else _UNFINISHED for index in range(count)]


def _user_label(flags: int, amount: float, currency: str | None) -> str:
    return f"{flags}" if currency is None else f"{flags} · {money(amount, currency)}"


def _time(field: str, period: Period, *, labels: bool) -> alt.X:
    domain = [period.since.isoformat(), period.until.isoformat()]
    form = "%H:%M" if period.until - period.since <= _DAY + period.bucket else "%m-%d"
    words = f"utcFormat(datum.value, '{form}')"
    axis = alt.Axis(
        labels=labels, ticks=labels, grid=False, title=None, labelOverlap=True, tickCount=8, labelExpr=words
    )
    return alt.X(field, scale=alt.Scale(type="utc", domain=domain), axis=axis)


def _amount(field: str, title: str, *, is_empty: bool = False) -> alt.Y:
    """An axis from zero; without anything to draw it has no numbers, where the library would write NaN."""
    axis = alt.Axis(format="~s", tickCount=4, minExtent=_AXIS_WIDTH, maxExtent=_AXIS_WIDTH, domain=False, ticks=False)
    if is_empty:
        axis.labels = False
        return alt.Y(field, title=title, axis=axis, scale=alt.Scale(domain=[0, 1]))
    return alt.Y(field, title=title, axis=axis, scale=alt.Scale(zero=True))


def _legend() -> alt.Legend:
    return alt.Legend(orient="top", direction="horizontal", title=None, symbolType="square", padding=0, offset=4)
