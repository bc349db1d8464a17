"""What an analyst asks for. It lives in the URL, so a page can be reloaded, kept as a bookmark and sent to a colleague."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import streamlit as st

from dashboard import page
from dashboard.colours import SEVERITIES
from dashboard.periods import DEFAULT_PERIOD, PERIODS, Period
from storage.flags.flag_store import FlagFilter, TimeField

REFRESH_SECONDS = {"1 s": 1, "5 s": 5, "30 s": 30, "off": None}
_DEFAULT_REFRESH = "5 s"
_CLOCKS = {"received": TimeField.RECEIVED_AT, "event time": TimeField.EVENT_TIME}
_STAYING = ("period", "clock", "refresh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The filters of the page, as they stand in the URL."""

    period: str = DEFAULT_PERIOD
    clock: TimeField = TimeField.RECEIVED_AT
    severities: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    min_amount: float | None = None
    text: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Whether flags are left out by anything but the period."""
        return self != Asked(period=self.period, clock=self.clock)

    def within(self, period: Period) -> FlagFilter:
        """The same as the store understands it, bounded by a period."""
        return FlagFilter(
            since=period.since,
            until=period.until,
            time=self.clock,
            severities=self.severities,
            rules=self.rules,
            users=self.users,
            countries=self.countries,
            min_amount=self.min_amount,
            text=self.text,
        )


def whole(wanted: FlagFilter) -> FlagFilter:
    """Everything in the same period: what the choices of the filters are taken from."""
    return replace(wanted, severities=(), rules=(), users=(), countries=(), min_amount=None, text="")


def ask_health() -> tuple[str, int | None]:
    """Draw the one line of the Health page: period and refresh, the same as on Live."""
    left, right = st.columns([5, 4], vertical_alignment="center")
    return _ask_period(left), _ask_refresh(right)


def ask_period() -> tuple[str, TimeField, int | None]:
    """Draw the first line: period, clock and refresh; the seconds are None where the page stands still."""
    left, middle, right = st.columns([5, 3, 4], vertical_alignment="center")
    period = _ask_period(left)
    with middle:
        word = st.segmented_control(
            "Clock of the flags",
            list(_CLOCKS),
            default="received",
            required=True,
            key="clock",
            bind="query-params",
            label_visibility="collapsed",
            help="Flags by when the log took the payment, or by when the payment was made",
        )
    return period, _CLOCKS[word or "received"], _ask_refresh(right)


def ask_narrowing(period: str, clock: TimeField, choices: Mapping[str, Sequence[str]]) -> Asked:
    """Draw the second line: everything that leaves flags out. What the URL names can be chosen even where nothing has it."""
    columns = st.columns([3, 3, 2, 3, 2, 3, 1], vertical_alignment="center")
    asked = Asked(
        period=period,
        clock=clock,
        severities=_ask_many(columns[0], "severity", "Any severity", SEVERITIES),
        rules=_ask_many(columns[1], "rule", "Any rule", choices.get("rules", ())),
        countries=_ask_many(columns[2], "country", "Any country", choices.get("countries", ())),
        users=_ask_users(columns[3]),
        min_amount=_ask_min_amount(columns[4]),
        text=_ask_text(columns[5]),
    )
    if asked.is_narrowed:
        with columns[6]:
            page.button_link("Clear", link())
    return asked


def link(**narrowing: str) -> str:
    """The address of this page with its period, clock and refresh, and only these filters.

    A link, not a change of widgets by the server: a refresh that is on its way would bring the old values back.
    """
    kept = {name: st.query_params[name] for name in _STAYING if name in st.query_params}
    return f"?{urlencode(kept | narrowing)}"


def _ask_period(place: st.delta_generator.DeltaGenerator) -> str:
    chosen = place.segmented_control(
        "Period",
        PERIODS,
        default=DEFAULT_PERIOD,
        required=True,
        key="period",
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen or DEFAULT_PERIOD


def _ask_refresh(place: st.delta_generator.DeltaGenerator) -> int | None:
    with place.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.html('<span class="fs-quiet">refresh</span>', width="content")
        word = st.segmented_control(
            "Refresh",
            list(REFRESH_SECONDS),
            default=_DEFAULT_REFRESH,
            required=True,
            key="refresh",
            bind="query-params",
            label_visibility="collapsed",
        )
    return REFRESH_SECONDS[word or _DEFAULT_REFRESH]


def _ask_many(
    place: st.delta_generator.DeltaGenerator, key: str, placeholder: str, choices: Sequence[str]
) -> tuple[str, ...]:
    kept = [*st.query_params.get_all(key), *st.session_state.get(key, [])]
    options = [*choices, *dict.fromkeys(value for value in kept if value and value not in choices)]
    chosen = place.multiselect(
        placeholder, options, key=key, bind="query-params", placeholder=placeholder, label_visibility="collapsed"
    )
    return tuple(chosen)


def _ask_users(place: st.delta_generator.DeltaGenerator) -> tuple[str, ...]:
    kept = dict.fromkeys([*st.query_params.get_all("user"), *st.session_state.get("user", [])])
    chosen = place.multiselect(
        "Users",
        [user for user in kept if user],
        key="user",
        bind="query-params",
        accept_new_options=True,
        placeholder="Any user id",
        label_visibility="collapsed",
    )
    return tuple(chosen)


def _ask_min_amount(place: st.delta_generator.DeltaGenerator) -> float | None:
    amount = place.number_input(
        "Minimum amount",
        min_value=0.0,
        value=None,
        step=None,
        format="%0.2f",
        key="min",
        bind="query-params",
        placeholder="Min amount",
        label_visibility="collapsed",
    )
    return None if amount is None else float(amount)


def _ask_text(place: st.delta_generator.DeltaGenerator) -> str:
    text = place.text_input(
        "Text",
        key="q",
        bind="query-params",
        placeholder="Transaction, merchant, city …",
        label_visibility="collapsed",
        max_chars=200,
    )
    return str(text or "").strip()
