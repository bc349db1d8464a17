"""What every page has: its style sheet, its banner, and the line that says how things stand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from dashboard import counters, queries
from dashboard.colours import colour
from dashboard.periods import clock, period
from dashboard.status import Level, Status, in_force, judge
from fraud.errors import StoreError

_STYLE = (Path(__file__).parent / "static" / "page.css").read_text(encoding="utf-8")
_LOOK_SECONDS = 5
_AWAY = "store_was_away"
_DOT = {Level.GOOD: "#3E9C6B", Level.QUIET: "#BF8A08"}


def now() -> datetime:
    """The clock of the page: aware, UTC."""
    return datetime.now(UTC)


def style() -> None:
    """The style sheet, once per run."""
    st.html(f"<style>{_STYLE}</style>")


def banner(text: str) -> None:
    """One line about this installation."""
    if text:
        st.html(f'<div class="fs-banner">{escape(text)}</div>')


def status(refresh: int | None) -> None:
    """How things stand, looked at every few seconds even where the figures stand still."""
    st.fragment(_status, run_every=min(refresh or _LOOK_SECONDS, _LOOK_SECONDS))()


def _status() -> None:
    at = now()
    try:
        beats = queries.heartbeats()
        newest = counters.newest_minute(queries.arrivals(period("1h", at), at))
    except StoreError as error:
        st.session_state[_AWAY] = True
        alarm(
            "Store disconnected: nothing on this page is current.",
            f"{error}. The page goes on by itself when the store returns.",
        )
        return
    if st.session_state.pop(_AWAY, False):
        st.rerun()
    if beats or newest:
        status_line(judge(beats, newest, at), in_force(beats, at), at)


def status_line(status: Status, policies: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """What is said in one line. What is stale is said in white on red, across the page."""
    if status.level == Level.STALE:
        alarm(status.text, "The page goes on by itself when a consumer reports again.")
        said = []
    else:
        said = [f'<span class="fs-dot" style="background:{_DOT[status.level]}"></span>{escape(status.text)}']
    parts = [f"<span>{part}</span>" for part in (*said, *_policy_parts(policies))]
    st.html(f'<div class="fs-line">{"".join(parts)}<span class="fs-right fs-quiet">as of {clock(at)} UTC</span></div>')


def alarm(text: str, more: str = "") -> None:
    """What nobody may overlook."""
    small = f"<small>{escape(more)}</small>" if more else ""
    st.html(f'<div class="fs-alarm" role="alert">{escape(text)}{small}</div>')


def warning(text: str) -> None:
    """Worth a glance."""
    st.html(f'<div class="fs-warn" role="status">{escape(text)}</div>')


def button_link(text: str, address: str) -> None:
    """A link that looks like a button and can be opened beside."""
    st.html(f'<a class="fs-button" href="{escape(address)}" target="_self">{escape(text)}</a>')


def head(text: str, more: str = "", width: Literal["stretch", "content"] = "stretch") -> None:
    """The title of a part of the page."""
    quiet = f' <span class="fs-quiet">{escape(more)}</span>' if more else ""
    st.html(f'<p class="fs-head">{escape(text)}{quiet}</p>', width=width)


def quiet(text: str) -> None:
    """What there is nothing to say about, or a remark; text between backquotes is a command."""
    st.html(f'<span class="fs-quiet">{_with_commands(text)}</span>')


def chip(severity: str) -> str:
    """A severity as HTML."""
    return f'<span class="fs-chip" style="background:{colour(severity)}">{escape(severity)}</span>'


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values, aligned."""
    cells = "".join(f"<span>{escape(name)}</span><span>{escape(value)}</span>" for name, value in pairs)
    st.html(f'<div class="fs-facts">{cells}</div>')


def empty(title: str, *lines: str) -> None:
    """A designed empty state; text between backquotes is a command."""
    body = "".join(f"<p>{_with_commands(line)}</p>" for line in lines)
    st.html(f'<div class="fs-empty"><p class="fs-head">{escape(title)}</p>{body}</div>')


def _policy_parts(policies: Sequence[Mapping[str, Any]]) -> list[str]:
    parts = []
    for policy in policies:
        model = policy.get("model")
        scored = f"model {escape(str(model)[:12])}" if model else "the policy names no model: rules alone"
        parts.append(f"policy <code>{escape(str(policy.get('hash', ''))[:12])}</code>, {scored}")
    return parts


def _with_commands(line: str) -> str:
    pieces = line.split("`")
    return "".join(
        f"<code>{escape(piece)}</code>" if index % 2 else escape(piece) for index, piece in enumerate(pieces)
    )
