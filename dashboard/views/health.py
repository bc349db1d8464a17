"""Health: whether the road from payment to flag is clear, and what is in force on it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, counters, filters, page, queries, status
from dashboard.periods import Period, ago, clock, in_words
from fraud.errors import StoreError
from storage.flags.flag_store import Heartbeat, TimeField

_STAGES = (
    ("decide a batch", "decide_ms"),
    ("store a batch", "store_ms"),
    ("received to stored", "end_to_end_ms"),
)
_MEANING = {
    "seen": "records read",
    "decided": "decided",
    "flagged": "flagged",
    "duplicates": "duplicates: the same payment again, not decided twice",
    "before_policy": "before the first policy: counted, not decided",
    "history_incomplete": "decided on an incomplete history",
    "id_reused": "transaction id used again at another time",
    "no_limit": "in a currency without a limit in high_amount",
    "unknown_fields": "with unknown fields, which were dropped",
}


def show() -> None:
    """The page, top to bottom."""
    top = st.container()
    name, refresh = filters.ask_health()
    with top:
        page.status(refresh)
    st.fragment(_health, run_every=refresh)(name)


def _health(name: str) -> None:
    at = page.now()
    try:
        beats = queries.heartbeats()
        over = queries.period_of(name, TimeField.RECEIVED_AT, at)
        arrived = queries.arrivals(over, at)
    except StoreError as error:
        page.warning(f"Health is not shown: {error}")
        return
    if not beats and arrived.empty:
        page.empty("No process has reported yet", "Start `fraud consume`, or `fraud demo` for everything at once.")
        return
    _loud(beats, at)
    _first_line(beats, arrived, over, at)
    left, right = st.columns(2, gap="medium")
    with left:
        _arrivals(arrived, over, at)
    with right:
        _lag(beats, at)
    left, right = st.columns(2, gap="medium")
    with left:
        _latency(beats, at)
    with right:
        _policy(beats, at)
    _processes(beats, at)
    left, right = st.columns(2, gap="medium")
    with left:
        _dead(arrived)
    with right:
        _counted(arrived)


def _loud(beats: Sequence[Heartbeat], at: datetime) -> None:
    """Everything that someone has to do something about."""
    for beat in status.current(beats, at):
        for refused in status.listing(beat.facts, "refused"):
            told = refused if isinstance(refused, Mapping) else {"file": refused}
            problems = "; ".join(str(problem) for problem in status.listing(told, "problems"))
            since = f" at {told['at']}" if told.get("at") else ""
            page.alarm(
                f"Refused: {told.get('file', 'a rules file')}{since}. The rules before it stay in force.", problems
            )
        for void in status.listing(beat.facts, "voids"):
            page.warning(f"A policy record was void and changed nothing: {_one_line(void)}")
        for reason in status.listing(beat.facts, "degraded"):
            page.warning(f"Degraded, {beat.process}: {_one_line(reason)}")
    for warning in status.warnings(beats, at):
        page.warning(f"The log, when the consumer started: {warning}")


def _first_line(beats: Sequence[Heartbeat], arrived: pd.DataFrame, over: Period, at: datetime) -> None:
    alive = [beat for beat in status.consumers(beats) if status.is_alive(beat, at)]
    lag = status.lag_by_partition(beats, at)
    totals = counters.totals(arrived)
    dead = sum(counters.dead_by_reason(arrived).values())
    slowest = _worst(alive, "end_to_end_ms", "p99")
    columns = st.columns(6)
    cells = (
        ("Rate", "–" if not alive else f"{sum(status.number(beat.facts, 'rate') or 0.0 for beat in alive):,.1f} /s"),
        ("Lag", "–" if not lag else f"{sum(lag.values()):,} records"),
        ("Received to stored, p99", "–" if slowest is None else _ms(slowest)),
        ("Seen", f"{totals['seen']:,}"),
        ("Flagged", f"{totals['flagged']:,}"),
        ("Dead letters", f"{dead:,}"),
    )
    for column, (label, value) in zip(columns, cells, strict=True):
        column.metric(label, value, border=True, height="stretch")


def _arrivals(arrived: pd.DataFrame, over: Period, at: datetime) -> None:
    page.head("Payments seen", f"per {in_words(over.bucket)}, UTC; pale: still growing")
    series = counters.per_bucket(arrived, over, "seen")
    chart = charts.arrivals(series, over, len(over.complete(at)), "Seen")
    st.altair_chart(chart, key="arrivals", alt="Payments seen per bucket")


def _lag(beats: Sequence[Heartbeat], at: datetime) -> None:
    lag = status.lag_by_partition(beats, at)
    page.head("Lag by partition", "records appended and not yet decided")
    if lag:
        st.altair_chart(charts.lag(lag), key="lag", alt="Lag by partition")
    else:
        page.quiet("No living consumer reports a lag.")


def _latency(beats: Sequence[Heartbeat], at: datetime) -> None:
    rows = [
        {"process": beat.process, "stage": stage, **{q: _ms(spread[q]) for q in ("p50", "p95", "p99") if q in spread}}
        for beat in status.consumers(beats)
        if status.is_alive(beat, at)
        for stage, key in _STAGES
        if (spread := status.mapping(beat.facts, key))
    ]
    page.head("Latency")
    _frame(rows, "latency", "No living consumer reports its latency.")


def _policy(beats: Sequence[Heartbeat], at: datetime) -> None:
    policies = status.in_force(beats, at)
    page.head("Policy in force")
    if len(policies) > 1:
        page.warning("Consumers decide under different policies: one of them is behind.")
    if not policies:
        page.quiet(
            "None yet: payments are counted and build state, and nothing is decided. `fraud init` publishes the first."
        )
    for policy in policies:
        page.facts(
            [
                ("policy", str(policy.get("hash", "unknown"))),
                ("model", str(policy.get("model") or "none named: rules alone")),
                ("since", _moment(policy.get("effective_at"))),
                ("rules", str(policy.get("rules", "unknown"))),
            ]
        )


def _processes(beats: Sequence[Heartbeat], at: datetime) -> None:
    rows = [
        {
            "process": beat.process,
            "role": beat.role,
            "state": beat.state if status.is_alive(beat, at) else "silent",
            "last heartbeat": f"{ago(beat.at, at)} ago",
            "started (UTC)": clock(beat.started_at),
            "rate /s": status.number(beat.facts, "rate"),
            "doing": _doing(beat),
        }
        for beat in status.current(beats, at)
    ]
    page.head("Processes", "silent after 15 s without a heartbeat, gone after 10 minutes, or once it says that it ends")
    _frame(rows, "processes", "None runs.")
    _gone(beats, at)


def _gone(beats: Sequence[Heartbeat], at: datetime) -> None:
    rows = [
        {
            "process": beat.process,
            "role": beat.role,
            "last heard (UTC)": clock(beat.at),
            "ago": ago(beat.at, at),
            "ended": status.how_it_ended(beat),
        }
        for beat in status.gone(beats, at)
    ]
    if rows:
        with st.expander(f"Gone: {len(rows)}"):
            _frame(rows, "gone", "None.")


def _dead(arrived: pd.DataFrame) -> None:
    dead = counters.dead_by_reason(arrived)
    page.head("Dead letters by reason")
    if dead:
        page.facts([(reason, f"{count:,}") for reason, count in dead.items()])
    else:
        page.quiet("None in this period.")


def _counted(arrived: pd.DataFrame) -> None:
    page.head("Records read, and what became of them")
    page.facts([(_MEANING[name], f"{count:,}") for name, count in counters.totals(arrived).items()])


def _doing(beat: Heartbeat) -> str:
    facts = beat.facts
    parts = [str(facts[name]) for name in ("paused_because",) if facts.get(name)]
    if (users := status.number(facts, "users_in_state")) is not None:
        parts.append(f"{users:,.0f} users in state")
    if (size := status.number(facts, "state_bytes")) is not None:
        parts.append(f"{size / 2**20:,.1f} MiB")
    archive = status.mapping(facts, "archive")
    parts += [
        f"{name} archived {archive[name]:,}" for name in ("files", "rows") if status.number(archive, name) is not None
    ]
    parts += [
        f"{name} {facts[name]:,}" for name in ("sent", "acked", "errors") if status.number(facts, name) is not None
    ]
    return ", ".join(parts)


def _worst(beats: Sequence[Heartbeat], key: str, quantile: str) -> float | None:
    found = [value for beat in beats if (value := status.number(status.mapping(beat.facts, key), quantile)) is not None]
    return max(found, default=None)


def _frame(rows: list[dict[str, Any]], key: str, otherwise: str) -> None:
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, key=key, row_height=30)
    else:
        page.quiet(otherwise)


def _ms(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value / 1000:,.2f} s" if value >= 1_000 else f"{value:,.1f} ms"


def _moment(value: object) -> str:
    if value is None:
        return "unknown"
    try:
        return f"{clock(pd.Timestamp(str(value)).to_pydatetime())} UTC"
    except ValueError:
        return str(value)


def _one_line(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)
