"""The drawer: one flag, why it was flagged, what the decision saw, and what the user did before."""

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from dashboard import page, queries, table
from dashboard.colours import colour
from dashboard.filters import link
from dashboard.periods import clock
from fraud.decision import Mode
from fraud.errors import StoreError

PARAMETER = "flag"
_WIDTH = 620


def opened() -> str | None:
    """The flag that the URL names."""
    return st.query_params.get(PARAMETER)


def open_flag(flag_id: str) -> None:
    """Name the flag in the URL; the next run of the page shows it."""
    st.query_params[PARAMETER] = flag_id


def close() -> None:
    """Name none."""
    st.query_params.pop(PARAMETER, None)


@st.dialog("Flag", position="right", width=_WIDTH, on_dismiss=close)
def drawer(flag_id: str) -> None:
    """Show one flag beside the page."""
    try:
        flag = queries.flag(flag_id)
        known = queries.users((str(flag["user_id"]),)) if flag else {}
    except StoreError as error:
        page.alarm("Store disconnected", str(error))
        return
    if flag is None:
        page.warning(f"No flag {flag_id} is stored here.")
        return
    person = known.get(str(flag["user_id"]))
    _head(flag, ", ".join(part for part in (person.name, person.home_city) if part) if person else "")
    _why(flag)
    _payment(flag)
    _before(flag)
    _features(flag)
    _origin(flag)


def _head(flag: Mapping[str, Any], person: str) -> None:
    user = escape(str(flag["user_id"]))
    who = f"{user} <span class='fs-quiet'>{escape(person)}</span>" if person else user
    st.html(
        f'<div class="fs-line">{page.chip(str(flag["severity"]))}<b>{escape(table.amount(flag))}</b>'
        f"<span>{who}</span><span class='fs-quiet'>{clock(flag['event_time'])} UTC</span></div>"
    )
    if flag.get("history_incomplete"):
        page.warning("Decided on an incomplete history: part of the last 30 days was missing.")
    page.button_link("Only this user", link(user=str(flag["user_id"])))


def _why(flag: Mapping[str, Any]) -> None:
    page.head("Why")
    for hit in table.hits(flag, Mode.LIVE, Mode.SHADOW):
        st.html(_hit(hit))
    st.html(f'<div class="fs-hit" style="border-color:currentColor"><p>{escape(table.score_in_words(flag))}</p></div>')


def _hit(hit: Mapping[str, Any]) -> str:
    shadow = " · shadow: recorded only, it did not act" if hit.get("mode") == Mode.SHADOW else ""
    measured = [
        f"{name} {hit[key]:,.6g}"
        for name, key in (("observed", "observed"), ("threshold", "threshold"))
        if hit.get(key) is not None
    ]
    otherwise = f"<p>{escape(str(hit['counterfactual']))}</p>" if hit.get("counterfactual") else ""
    return (
        f'<div class="fs-hit" style="border-color:{colour(str(hit.get("severity")))}">'
        f"<p><b>{escape(str(hit.get('reason', '')))}</b></p>"
        f'<p class="fs-quiet">{escape(str(hit.get("rule", "")))} · {escape(str(hit.get("severity", "")))}'
        f"{escape(shadow)}{' · ' if measured else ''}{escape(' · '.join(measured))}</p>{otherwise}</div>"
    )


def _payment(flag: Mapping[str, Any]) -> None:
    page.head("Payment")
    page.facts(table.facts_of(flag["transaction"]))


def _before(flag: Mapping[str, Any]) -> None:
    recent = table.recent_payments(flag)
    page.head("The user's payments before", f"{len(recent)} remembered, newest first")
    if recent.empty:
        st.html('<span class="fs-quiet">None in the 30 days before.</span>')
        return
    st.dataframe(recent, hide_index=True, height=min(300, 36 * len(recent) + 38), key="recent")


def _features(flag: Mapping[str, Any]) -> None:
    features = table.features_of(flag)
    with st.expander(f"Features the decision saw ({len(features)})"):
        st.dataframe(features, hide_index=True, height=min(420, 36 * len(features) + 38), key="features")


def _origin(flag: Mapping[str, Any]) -> None:
    with st.expander("Where it comes from"):
        names = ("_id", "policy", "log_id", "group", "partition", "offset", "origin", "revision", "verdict")
        moments = [(name, f"{clock(flag[name])} UTC") for name in ("received_at", "decided_at") if flag.get(name)]
        page.facts([*moments, *((name, str(flag[name])) for name in names if flag.get(name) is not None)])
