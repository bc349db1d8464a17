"""Summary rows: flags per minute and hour, and per user and day, on both clocks. They make a million flags quick to count.

They are written in the transaction that inserts the flags, from the flags that it really inserted, so each flag is counted
exactly once. A period is answered from whole spans, and from the flags themselves where it cuts one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from storage.flags.documents import from_ms, ranks, to_ms
from storage.flags.encoded import Encoded
from storage.flags.flag_store import FlagFilter, TimeField
from storage.flags.sql_queries import matching, stored_text
from storage.flags.sql_tables import FLAGS, SPAN_COUNTS, USER_DAYS

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
_SPANS = (MINUTE_MS, HOUR_MS)


def count_in(connection: sa.Connection, insert: Any, flags: Sequence[Encoded]) -> None:
    """Add flags that were just inserted; `insert` is the dialect's own, which knows ON CONFLICT."""
    _add(connection, insert, SPAN_COUNTS, _span_rows(flags))
    _add(connection, insert, USER_DAYS, _user_rows(flags))


def counts(wanted: FlagFilter, span: int | None) -> sa.Subquery:
    """Rows (start, severity, currency, flags, amount) that add up to the flags found; none reaches over a span of ms."""
    flag_rows = (
        FLAGS.c[wanted.time].label("start"),
        FLAGS.c.severity,
        FLAGS.c.currency,
        sa.literal(1).label("flags"),
        _amount(),
    )
    edges, whole = _cut(wanted, span)
    parts = [sa.select(*flag_rows).where(matching(edge)) for edge in edges]
    if whole is not None:
        table = SPAN_COUNTS.c
        rows = sa.select(table.start, table.severity, table.currency, table.flags, table.amount)
        parts.append(rows.where(table.span == span, _within(SPAN_COUNTS, whole)))
    return sa.union_all(*parts).subquery()


def user_counts(wanted: FlagFilter) -> sa.Subquery:
    """Rows (user_id, severity, flags, amount, last) that add up to the flags found."""
    last = FLAGS.c[wanted.time].label("last")
    edges, whole = _cut(wanted, DAY_MS)
    flag_rows = (FLAGS.c.user_id, FLAGS.c.severity, sa.literal(1).label("flags"), _amount(), last)
    parts = [sa.select(*flag_rows).where(matching(edge)) for edge in edges]
    if whole is not None:
        table = USER_DAYS.c
        rows = sa.select(table.user_id, table.severity, table.flags, table.amount, table.last)
        parts.append(rows.where(_within(USER_DAYS, whole)))
    return sa.union_all(*parts).subquery()


def _cut(wanted: FlagFilter, span: int | None) -> tuple[list[FlagFilter], FlagFilter | None]:
    """The parts of a period that are not whole spans, and the part that is; the latter only if summaries can answer the filter."""
    narrow = wanted.rules or wanted.users or wanted.countries or wanted.min_amount is not None or wanted.text
    if span is None or narrow:
        return [wanted], None
    first = -(-to_ms(wanted.since) // span) * span
    end = to_ms(wanted.until) // span * span
    if first >= end:
        return [wanted], None
    edges = [replace(wanted, until=from_ms(first)), replace(wanted, since=from_ms(end))]
    return edges, replace(wanted, since=from_ms(first), until=from_ms(end))


def _within(table: sa.Table, wanted: FlagFilter) -> sa.ColumnElement[bool]:
    start = table.c.start
    period = [table.c.clock == wanted.time.value, start >= to_ms(wanted.since), start < to_ms(wanted.until)]
    return sa.and_(*period, *([table.c.severity.in_(ranks(wanted))] if wanted.severities else []))


def _amount() -> sa.Label[float]:
    return sa.cast(FLAGS.c.amount, sa.Double).label("amount")


def _add(connection: sa.Connection, insert: Any, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    statement = insert(table)
    new = statement.excluded
    changes = {"flags": table.c.flags + new.flags, "amount": table.c.amount + new.amount}
    if "last" in table.c:
        changes["last"] = sa.case((table.c.last > new.last, table.c.last), else_=new.last)
    connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes), rows)


def _span_rows(flags: Sequence[Encoded]) -> list[dict[str, Any]]:
    sums: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0])
    for clock, at, flag in _moments(flags):
        for span in _SPANS:
            total = sums[clock, span, at // span * span, flag.rank, flag.currency]
            total[0] += 1
            total[1] += flag.amount
    names = ("clock", "span", "start", "severity", "currency", "flags", "amount")
    return [dict(zip(names, (*key, *sums[key]), strict=True)) for key in sorted(sums)]


def _user_rows(flags: Sequence[Encoded]) -> list[dict[str, Any]]:
    sums: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0, 0])
    for clock, at, flag in _moments(flags):
        total = sums[clock, at // DAY_MS * DAY_MS, stored_text(flag.document["user_id"]), flag.rank]
        total[:] = [total[0] + 1, total[1] + flag.amount, max(total[2], at) if total[0] else at]
    names = ("clock", "start", "user_id", "severity", "flags", "amount", "last")
    return [dict(zip(names, (*key, *sums[key]), strict=True)) for key in sorted(sums)]


def _moments(flags: Sequence[Encoded]) -> Iterator[tuple[str, int, Encoded]]:
    for flag in flags:
        for clock in TimeField:
            yield clock.value, to_ms(flag.document[clock.value]), flag
