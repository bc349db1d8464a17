"""The latest flags: a table that stands still until the analyst asks for newer ones, and the CSV of all that it stands for."""

from collections.abc import Callable

import streamlit as st

from dashboard import csv_export, drawer, page, queries, snapshot, table
from dashboard.colours import COLOUR_BY_SEVERITY
from dashboard.filters import Asked
from dashboard.handover import received
from dashboard.periods import clock
from dashboard.snapshot import Snapshot
from fraud.errors import FraudError, StoreError
from storage.flags.flag_store import FlagFilter

_KEPT, _LIMIT, _CLICK = "snapshot", "snapshot_rows", "flag_click"
_ROW = 32


def show(asked: Asked, wanted: Callable[[], FlagFilter], refresh: int | None) -> None:
    """The table with its head; `wanted` gives the filter bounded by what the period is at the moment it is called."""
    try:
        kept = _kept(asked, wanted)
    except StoreError as error:
        page.warning(f"The latest flags are not shown: {error}")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        page.head(
            "Latest flags", f"{len(kept.rows):,} of {kept.total:,}, as of {clock(kept.taken_at)} UTC", width="content"
        )
        st.fragment(_newer, run_every=refresh)(kept, wanted)
        _exports(kept)
    if kept.rows:
        with st.container(key="latest"):
            _table(kept)
    else:
        page.empty("No flag in this period", *_hints(asked))


def _kept(asked: Asked, wanted: Callable[[], FlagFilter]) -> Snapshot:
    kept: Snapshot | None = st.session_state.get(_KEPT)
    if kept is None or kept.asked != asked:
        st.session_state[_LIMIT] = snapshot.ROWS
        kept = None
    limit = st.session_state[_LIMIT]
    if kept is None or (not kept.rows) or len(kept.rows) < min(limit, kept.total):
        kept = snapshot.take(asked, wanted(), page.now(), latest=queries.latest, count=queries.flag_count, limit=limit)
        st.session_state[_KEPT] = kept
    return kept


def _newer(kept: Snapshot, wanted: Callable[[], FlagFilter]) -> None:
    try:
        count = snapshot.newer(kept, wanted(), queries.flag_count)
    except StoreError:
        return
    if count and not kept.rows:
        st.rerun()
    if count and st.button(f"{count:,} new", key="newer", type="primary", help="Show them"):
        del st.session_state[_KEPT]
        st.rerun()


def _table(kept: Snapshot) -> None:
    column = st.column_config
    st.dataframe(
        table.rows(kept),
        hide_index=True,
        height=min(16, len(kept.rows)) * _ROW + 38,
        row_height=_ROW,
        key="flags",
        placeholder="",
        column_config={
            "flag": column.ButtonColumn(
                "flag", width=84, type="tertiary", on_click=_open, args=(kept,), key=_CLICK, help="Opens the flag"
            ),
            "time": column.DatetimeColumn(
                table.clock_word(kept.wanted.time), width=146, format="YYYY-MM-DD HH:mm:ss", timezone="UTC"
            ),
            "severity": column.MultiselectColumn(
                "severity", width=82, options=list(COLOUR_BY_SEVERITY), color=list(COLOUR_BY_SEVERITY.values())
            ),
            "amount": column.TextColumn("amount", width=106, alignment="right"),
            "user": column.TextColumn("user", width=104),
            "why": column.TextColumn("why", width=350),
            "score": column.NumberColumn("score", width=60, format="%.1f %%"),
            "merchant": column.TextColumn("merchant", width=122),
            "place": column.TextColumn("place", width=108),
            "channel": column.TextColumn("channel", width=66),
        },
    )
    if len(kept.rows) < kept.total and st.button(f"Show {snapshot.ROWS} more", key="more"):
        st.session_state[_LIMIT] += snapshot.ROWS
        st.rerun()


def _open(kept: Snapshot) -> None:
    click = st.session_state.get(_CLICK)
    flag_id = kept.flag_id(str(click["label"])) if click else None
    if flag_id:
        drawer.open_flag(flag_id)


def _exports(kept: Snapshot) -> None:
    flags = queries.store()
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.download_button(
            "CSV",
            data=lambda: csv_export.to_csv(queries.every_flag(flags, kept.wanted)),
            file_name=csv_export.file_name(kept.taken_at),
            mime="text/csv; charset=utf-8",
            on_click="ignore",
            key="csv",
            disabled=not kept.rows,
            help=f"All {kept.total:,} flags of this filter",
        )
        if st.button(
            "Keep a copy",
            key="keep",
            disabled=not kept.rows,
            help="Writes the same CSV under filtered/ of the data folder",
        ):
            _keep(kept)


def _keep(kept: Snapshot) -> None:
    try:
        flags = queries.every_flag(queries.store(), kept.wanted)
        path = csv_export.keep(flags, received().data_dir, kept.taken_at)
    except (FraudError, OSError) as error:
        st.toast(f"Not kept: {error}")
    else:
        st.toast(f"Kept as {path}")


def _hints(asked: Asked) -> list[str]:
    if asked.is_narrowed:
        return ["The filters above leave everything out: press Clear, or choose a longer period."]
    return ["Choose a longer period, or wait: new flags appear here by themselves."]
