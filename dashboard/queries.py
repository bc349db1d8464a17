"""Every question to the store: the only cached functions. Answers live for a moment, so many open pages ask once.

Raises StoreError when the store does not answer; nothing is cached then.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import counters
from dashboard.breaker import Answer, Breaker
from dashboard.handover import received
from dashboard.periods import ALL, Period, floor, period
from fraud.schema import User
from storage.flags.flag_store import FlagFilter, FlagStore, Heartbeat, TimeField
from storage.flags.stores import open_store

_FRESH = 0.9
"""Seconds; under the quickest refresh."""
_SLOW = 30.0
"""For what changes rarely and costs more."""
_TIMEOUT_S = 5.0
"""How long one question may take: a page waits for it."""
_PAUSE_S = 3.0
"""After a failure, before the next question is put to the store."""
_SETTLED = timedelta(hours=2)
"""Minute counters older than this hardly change: they are asked for once an hour, a day at a time."""
_ALL_TIME = FlagFilter(since=datetime(1970, 1, 2, tzinfo=UTC), until=datetime(2200, 1, 1, tzinfo=UTC))
_DAY = timedelta(days=1)
_PAGE = 2_000


@st.cache_resource(show_spinner=False)
def store() -> FlagStore:
    """The one connection of this process."""
    return open_store(received().store, _TIMEOUT_S)


@st.cache_resource(show_spinner=False)
def _breaker() -> Breaker:
    return Breaker(_PAUSE_S)


def _ask(question: Callable[[FlagStore], Answer]) -> Answer:
    return _breaker().ask(lambda: question(store()))


@st.cache_data(ttl=_FRESH, show_spinner=False)
def heartbeats() -> list[Heartbeat]:
    """The latest of every process."""
    return _ask(lambda asked: asked.heartbeats())


def arrivals(over: Period, now: datetime) -> pd.DataFrame:
    """Minute counters summed per bucket of the period (see `counters`)."""
    chunk = max(_DAY, over.bucket)
    settled = max(over.since, min(over.until, floor(now - _SETTLED, chunk)))
    parts, since = [], over.since
    while since < settled:
        until = min(settled, floor(since, chunk) + chunk)
        parts.append(_settled_arrivals(since, until, over.bucket))
        since = until
    return counters.joined([*parts, _fresh_arrivals(settled, over.until, over.bucket)])


@st.cache_data(ttl=3_600, max_entries=1_000, show_spinner=False)
def _settled_arrivals(since: datetime, until: datetime, bucket: timedelta) -> pd.DataFrame:
    return counters.arrivals(_ask(lambda asked: asked.minutes(since, until)), bucket)


@st.cache_data(ttl=_FRESH, max_entries=100, show_spinner=False)
def _fresh_arrivals(since: datetime, until: datetime, bucket: timedelta) -> pd.DataFrame:
    return counters.arrivals(_ask(lambda asked: asked.minutes(since, until)), bucket)


@st.cache_data(ttl=_FRESH, max_entries=200, show_spinner=False)
def flags_per_bucket(wanted: FlagFilter, bucket: timedelta) -> pd.DataFrame:
    """Flags and amounts per bucket, severity and currency."""
    return _ask(lambda asked: asked.flags_per_bucket(wanted, int(bucket.total_seconds())))


@st.cache_data(ttl=_FRESH, max_entries=200, show_spinner=False)
def flag_count(wanted: FlagFilter) -> int:
    """How many flags the filter finds."""
    return _ask(lambda asked: asked.flag_count(wanted))


@st.cache_data(ttl=2 * _FRESH, max_entries=200, show_spinner=False)
def top_users(wanted: FlagFilter, limit: int) -> pd.DataFrame:
    """Users with the most flags."""
    return _ask(lambda asked: asked.top_users(wanted, limit))


@st.cache_data(ttl=_SLOW, max_entries=200, show_spinner=False)
def choices(wanted: FlagFilter) -> dict[str, list[str]]:
    """Rules and countries present in the period."""
    return _ask(lambda asked: asked.choices(wanted))


def period_of(name: str, time: TimeField, now: datetime) -> Period:
    """The named period; `all` spans the flags that are stored, by the clock they are looked at."""
    found = extent(time) if name == ALL else None
    if found and found[0] < now < found[1]:
        found = found[0], now
    return period(name, now, found)


@st.cache_data(ttl=_SLOW, show_spinner=False)
def extent(time: TimeField) -> tuple[datetime, datetime] | None:
    """From the day of the oldest flag to the end of the newest one's; None where there is none."""
    days = _ask(lambda asked: asked.flags_per_bucket(replace(_ALL_TIME, time=time), int(_DAY.total_seconds())))
    if days.empty:
        return None
    return days["bucket"].min().to_pydatetime(), days["bucket"].max().to_pydatetime() + _DAY - timedelta(seconds=1)


@st.cache_data(ttl=_SLOW, max_entries=200, show_spinner=False)
def users(user_ids: tuple[str, ...]) -> dict[str, User]:
    """What is known for display."""
    return _ask(lambda asked: asked.users(user_ids))


def latest(wanted: FlagFilter, limit: int) -> list[dict[str, Any]]:
    """The newest flags, for a snapshot: kept by the page, so never cached here."""
    return _ask(lambda asked: asked.flags(wanted, limit))


def flag(flag_id: str) -> dict[str, Any] | None:
    """One flag."""
    return _ask(lambda asked: asked.flag(flag_id))


def every_flag(flags: FlagStore, wanted: FlagFilter, page_size: int = _PAGE) -> Iterator[dict[str, Any]]:
    """All flags of the filter, newest first, each once, a page at a time; flags that are stored meanwhile move nothing.

    Pages follow the clock, not a row number: the next one starts at the last moment of the one before (stores cut moments
    to the millisecond), leaving out what that moment already gave.
    """
    given: set[str] = set()
    until = wanted.until
    while True:
        page = flags.flags(replace(wanted, until=until), limit=page_size + len(given))
        fresh = [found for found in page if found["_id"] not in given]
        yield from fresh
        if len(page) < page_size + len(given) or not fresh:
            return
        last = whole_ms(fresh[-1][wanted.time.value])
        given = {str(found["_id"]) for found in page if whole_ms(found[wanted.time.value]) == last}
        until = last + timedelta(milliseconds=1)


def whole_ms(moment: datetime) -> datetime:
    """A moment cut to the millisecond, as stores compare it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
