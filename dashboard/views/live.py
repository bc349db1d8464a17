"""Live: what arrives, what is flagged, who stands out, and the latest flags with their reasons."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import streamlit as st
from streamlit_autorefresh import st_autorefresh

from dashboard import charts, counters, drawer, filters, latest, page, queries
from dashboard.filters import Asked
from dashboard.money import short_money
from dashboard.periods import Period, in_words
from fraud.currencies import NO_CURRENCY
from fraud.errors import StoreError
from storage.flags.flag_store import FlagFilter, TimeField

_TOP = 10
_BUTTONS = 8
"""Currencies that get a button each; more of them get a list."""
_PICKER_WIDTH = 120
"""Pixels."""
_HEARTBEAT_SECONDS = 10
"""At least between two runs of the whole page: they renew the choices of the filters, all else renews itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the store answered at one moment, for the figures to draw."""

    at: datetime
    period: Period
    """Of flags, by the chosen clock."""
    arrived: pd.DataFrame
    arrival_period: Period
    """Of everything counted by minute: always by arrival."""
    buckets: pd.DataFrame
    users: pd.DataFrame

    @property
    def complete(self) -> int:
        """Leading buckets of flags that will not grow."""
        return len(self.period.complete(self.at))


def show() -> None:
    """The page, top to bottom."""
    top = st.container()
    name, clock, refresh = filters.ask_period()
    asked = filters.ask_narrowing(name, clock, _choices(name, clock))
    with top:
        page.status(refresh)
    is_empty = _has_nothing()
    if is_empty:
        _empty()
    else:
        st.fragment(_figures, run_every=refresh)(asked)
        latest.show(asked, lambda: _wanted(asked), refresh)
    opened = drawer.opened()
    if opened:
        drawer.drawer(opened)
    elif refresh:
        seconds = refresh if is_empty else max(refresh, _HEARTBEAT_SECONDS)
        st_autorefresh(interval=1_000 * seconds, key="heartbeat")


def _figures(asked: Asked) -> None:
    try:
        look = _look(asked)
    except StoreError as error:
        page.warning(f"Figures are not shown: {error}")
        return
    codes = counters.currencies(look.buckets, look.arrived)
    currency = _currency(codes)
    _counters(asked, look, currency)
    left, right = st.columns([2, 1], gap="medium")
    with left:
        _amounts(look, currency)
    with right:
        _users(look, currency if len(codes) < 2 else None)


def _counters(asked: Asked, look: Look, currency: str) -> None:
    done = len(look.arrival_period.complete(look.at))
    seen = counters.figure(counters.per_bucket(look.arrived, look.arrival_period, "seen"), done)
    spent = counters.figure(counters.spend(look.arrived, look.arrival_period, currency), done)
    flagged = counters.figure(counters.flagged(look.buckets, look.period), look.complete)
    amount = counters.figure(counters.flagged_amount(look.buckets, look.period, currency), look.complete)
    is_comparable = asked.clock == TimeField.RECEIVED_AT
    columns = st.columns(5)
    with columns[0]:
        _metric("Seen", f"{seen.total:,.0f}", seen, look.arrival_period, "All payments, by arrival")
    with columns[1]:
        _metric("Flagged", f"{flagged.total:,.0f}", flagged, look.period, "Flags that the filters leave")
    with columns[2]:
        share = counters.per_10_000(flagged, seen) if is_comparable else None
        value = "–" if share is None else f"{share.total:,.1f}"
        _metric(
            "Flagged per 10,000 seen", value, share, look.period, "Flags that the filters leave, of all payments seen"
        )
    with columns[3]:
        _metric("Flagged amount", short_money(amount.total, currency), amount, look.period, f"In {currency}")
    with columns[4]:
        _metric(
            "Approved spend",
            short_money(spent.total, currency),
            spent,
            look.arrival_period,
            f"All payments in {currency}, by arrival",
        )


def _metric(label: str, value: str, figure: counters.Figure | None, over: Period, help_: str) -> None:
    unit = in_words(over.bucket)
    delta = figure.delta if figure else None
    st.metric(
        label,
        value,
        delta=None
        if delta is None
        else f"{delta:+,.0f}"
        if abs(delta) >= 10 or delta == round(delta)
        else f"{delta:+,.1f}",
        delta_color="off",
        delta_description=None if delta is None else f"last full {unit}",
        chart_data=list(figure.complete) if figure and len(figure.complete) > 1 else None,
        chart_type="bar",
        border=True,
        help=f"{help_}. The change compares the last two complete buckets ({unit}).",
        height="stretch",
    )


def _amounts(look: Look, currency: str) -> None:
    is_by_arrival = look.period == look.arrival_period
    page.head(f"Amount over time, {currency}", f"per {in_words(look.period.bucket)}, UTC; pale: still growing")
    flagged = charts.flagged_amount(look.buckets, look.period, currency, look.complete)
    st.altair_chart(flagged, key="flagged_amount", alt="Flagged amount per bucket by severity")
    if is_by_arrival:
        series = counters.spend(look.arrived, look.period, currency)
        spend = charts.approved_spend(series, look.period, currency, look.complete)
        st.altair_chart(spend, key="approved_spend", alt="Approved spend per bucket")
    else:
        st.html(
            '<span class="fs-quiet">Approved spend is counted by arrival only: choose "received" to see it here.</span>'
        )


def _users(look: Look, currency: str | None) -> None:
    page.head("Top flagged users", "" if currency else "amounts mix currencies and are left out")
    if look.users.empty:
        st.html('<span class="fs-quiet">Nobody in this period.</span>')
        return
    st.altair_chart(charts.top_users(look.users, currency), key="top_users", alt="Users with the most flags")


def _currency(codes: list[str]) -> str:
    if len(codes) < 2:
        return codes[0] if codes else NO_CURRENCY
    if len(codes) > _BUTTONS:
        chosen = st.selectbox(
            "Currency", codes, key="currency", bind="query-params", label_visibility="collapsed", width=_PICKER_WIDTH
        )
        return chosen if chosen in codes else codes[0]
    chosen = st.segmented_control(
        "Currency",
        codes,
        default=codes[0],
        required=True,
        key="currency",
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen if chosen in codes else codes[0]


def _look(asked: Asked) -> Look:
    at = page.now()
    by_clock = queries.period_of(asked.period, asked.clock, at)
    by_arrival = queries.period_of(asked.period, TimeField.RECEIVED_AT, at)
    wanted = asked.within(by_clock)
    return Look(
        at=at,
        period=by_clock,
        arrival_period=by_arrival,
        arrived=queries.arrivals(by_arrival, at),
        buckets=queries.flags_per_bucket(wanted, by_clock.bucket),
        users=queries.top_users(wanted, _TOP),
    )


def _wanted(asked: Asked) -> FlagFilter:
    return asked.within(queries.period_of(asked.period, asked.clock, page.now()))


def _choices(name: str, clock: TimeField) -> dict[str, list[str]]:
    try:
        return queries.choices(Asked(period=name, clock=clock).within(queries.period_of(name, clock, page.now())))
    except StoreError:
        return {}


def _has_nothing() -> bool:
    try:
        return not queries.heartbeats() and queries.extent(TimeField.RECEIVED_AT) is None
    except StoreError:
        return False


def _empty() -> None:
    page.empty(
        "Nothing has been decided here yet",
        "On a laptop, `fraud demo` starts the whole road with synthetic payments.",
        "With Kafka and MongoDB: `fraud init`, then `fraud consume`, then `fraud produce --tps 100`.",
        "This page fills by itself as soon as the first payment is decided.",
    )
