"""What an analyst asks for, as SQL. Text from outside is only ever a bound value, taken literally."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from storage.flags.documents import least_amount, needle, ranks, to_ms
from storage.flags.flag_store import FlagFilter
from storage.flags.sql_tables import FLAG_RULES, FLAGS


class _Position(FunctionElement[int]):
    """Where a text starts in another, from 1; 0 when it does not occur."""

    type = sa.Integer()
    inherit_cache = True


@compiles(_Position, "sqlite")
def _instr(element: _Position, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_Position, "postgresql")
def _strpos(element: _Position, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


def matching(wanted: FlagFilter) -> sa.ColumnElement[bool]:
    """The condition on `flags`."""
    clock = FLAGS.c[wanted.time]
    conditions: list[sa.ColumnElement[bool]] = [clock >= to_ms(wanted.since), clock < to_ms(wanted.until)]
    if wanted.severities:
        conditions.append(FLAGS.c.severity.in_(ranks(wanted)))
    if wanted.rules:
        fired = FLAG_RULES.c.rule.in_([stored_text(rule) for rule in wanted.rules])
        conditions.append(sa.exists().where(FLAG_RULES.c.flag_id == FLAGS.c.id, fired))
    if wanted.users:
        conditions.append(FLAGS.c.user_id.in_([stored_text(user) for user in wanted.users]))
    if wanted.countries:
        conditions.append(FLAGS.c.country.in_([stored_text(country) for country in wanted.countries]))
    if wanted.min_amount is not None:
        conditions.append(FLAGS.c.amount >= least_amount(wanted))
    if wanted.text:
        conditions.append(_Position(FLAGS.c.search, stored_text(needle(wanted.text))) > 0)
    return sa.and_(*conditions)


def page(wanted: FlagFilter, limit: int, skip: int) -> sa.Select[Any]:
    """(document, verdict), newest first, then by id. Only the ids are sorted: the documents are too fat for it."""
    clock = FLAGS.c[wanted.time]
    ids = sa.select(FLAGS.c.id).where(matching(wanted)).order_by(clock.desc(), FLAGS.c.id).limit(limit).offset(skip)
    rows = sa.select(FLAGS.c.document, FLAGS.c.verdict).where(FLAGS.c.id.in_(ids.scalar_subquery()))
    return rows.order_by(clock.desc(), FLAGS.c.id)


def oldest_first(since: datetime, until: datetime, after: tuple[int, str] | None) -> sa.Select[Any]:
    """(received_at, id, document) by `received_at`, then by id backwards; `after` is where the last page ended."""
    clock = FLAGS.c.received_at
    rows = sa.select(clock, FLAGS.c.id, FLAGS.c.document)
    rows = rows.where(clock >= to_ms(since), clock < to_ms(until)).order_by(clock, FLAGS.c.id.desc())
    if after is None:
        return rows
    at, flag_id = after
    return rows.where(clock >= at, sa.or_(clock > at, FLAGS.c.id < flag_id))


def values_present(column: sa.Column[Any], clock: sa.Column[Any], wanted: FlagFilter) -> sa.Select[Any]:
    """Distinct values in the period, hopping from value to value over the index (column, clock)."""
    table = column.table
    values = sa.select(sa.func.min(column).label("value")).cte("present", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > values.c.value).scalar_subquery()
    values = values.union_all(sa.select(following).where(values.c.value.is_not(None)))
    period = (clock >= to_ms(wanted.since), clock < to_ms(wanted.until))
    in_period = sa.exists(sa.select(1).select_from(table).where(column == values.c.value, *period))
    return sa.select(values.c.value).where(values.c.value.is_not(None), in_period).order_by(values.c.value)


def stored_text(text: str) -> str:
    """A text as the query columns hold it: PostgreSQL has no NUL, so its picture stands for it."""
    return text.replace("\0", "\u2400")
