"""Conditions: SQL's meaning held against SQLite, types, refusals, absence."""

import math
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.columns import ColumnKind, NumberColumn, TextColumn
from fraud.errors import ExpressionError
from fraud.expressions import MAX_CHARACTERS, condition

KINDS = {
    **dict.fromkeys(
        ["a", "b", "amount", "amount_mean_30d", "amount_to_mean_30d", "count_1h", "hour"], ColumnKind.NUMBER
    ),
    **dict.fromkeys(["p", "q", "new_device"], ColumnKind.BOOLEAN),
    **dict.fromkeys(["s", "t", "country", "mcc"], ColumnKind.TEXT),
}
Value = float | bool | str | None


class Table:
    """Columns from plain Python values, None being absent."""

    def __init__(self, rows: int, values: Mapping[str, Sequence[Value]]) -> None:
        self.rows = rows
        self.values = values

    def __len__(self) -> int:
        return self.rows

    def number(self, name: str) -> NumberColumn:
        return NumberColumn.of([None if value is None else float(value) for value in self.values[name]])

    def text(self, name: str) -> TextColumn:
        return TextColumn.of([None if value is None else str(value) for value in self.values[name]])


def holds(text: str, **values: Value) -> bool:
    """Whether a condition holds for one payment."""
    table = Table(1, {name: [value] for name, value in values.items()})
    mask = condition(text, KINDS).holds(table)
    assert mask.shape == (1,) and mask.dtype == np.bool_
    return bool(mask[0])


# A term is a pair: as our analysts write it, and as SQLite says the same.
Sql = tuple[str, str]


def joined(operator: str, left: Sql, right: Sql) -> Sql:
    return f"({left[0]} {operator} {right[0]})", f"({left[1]} {operator} {right[1]})"


def called(ours: str, theirs: str, *terms: Sql) -> Sql:
    return f"{ours}({', '.join(t[0] for t in terms)})", f"{theirs}({', '.join(t[1] for t in terms)})"


def same(text: str) -> Sql:
    return text, text


def wrapped(pattern: str, *terms: Sql) -> Sql:
    return pattern.format(*(t[0] for t in terms)), pattern.format(*(t[1] for t in terms))


WORDS = ["", "A", "a", "B", "AB", "aB", "A%", "_", "Zürich", "line\nbreak", "NL", "A.*", "it''s"]
PATTERNS = ["%", "_", "A%", "%b", "%B%", "_B", "a_", "A\\%", "%.%", "", "%A%B%", "Z_rich", "%\n%", "__%", "[A]%"]
OPERATORS = ["=", "<>", "<", "<=", ">", ">="]
numbers_of_a_row = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, -1.0, 2.0, 2.5, -0.5, 100.0]),
    st.integers(-(10**6), 10**6).map(lambda x: x / 64),
)
number_literals = st.sampled_from(["0.0", "1.0", "2.0", "0.5", "1e2", "-1.0", "-(2.5)"]).map(same)
word_literals = st.sampled_from(WORDS).map(lambda word: same(f"'{word}'"))
number_columns = st.sampled_from(["a", "b"]).map(same)
text_columns = st.sampled_from(["s", "t"]).map(same)


def numbers_over(inner: st.SearchStrategy[Sql], truths: st.SearchStrategy[Sql]) -> st.SearchStrategy[Sql]:
    anything = st.one_of(inner, number_literals)
    return st.one_of(
        st.builds(joined, st.sampled_from("+-*/"), inner, anything),
        st.builds(joined, st.sampled_from("+-*/"), number_literals, inner),
        st.builds(lambda a, b: (f"({a[0]} % {b[0]})", f"fmod({a[1]}, {b[1]})"), inner, anything),
        st.builds(lambda a: wrapped("(-{0})", a), inner),
        st.builds(lambda a: wrapped("ABS({0})", a), inner),
        st.builds(lambda a, b: called("LEAST", "min", a, b), inner, anything),
        st.builds(lambda a, b: called("GREATEST", "max", a, b), inner, anything),
        st.builds(lambda a, b: wrapped("COALESCE({0}, {1})", a, b), inner, anything),
        st.builds(lambda c, a, b: wrapped("(CASE WHEN {0} THEN {1} ELSE {2} END)", c, a, b), truths, inner, anything),
        st.builds(
            lambda c, a, d, b: wrapped("(CASE WHEN {0} THEN {1} WHEN {2} THEN {3} END)", c, a, d, b),
            truths,
            inner,
            truths,
            anything,
        ),
    )


def texts_over(inner: st.SearchStrategy[Sql], truths: st.SearchStrategy[Sql]) -> st.SearchStrategy[Sql]:
    anything = st.one_of(inner, word_literals)
    return st.one_of(
        st.builds(lambda a, b: wrapped("COALESCE({0}, {1})", a, b), inner, anything),
        st.builds(lambda c, a, b: wrapped("(CASE WHEN {0} THEN {1} ELSE {2} END)", c, a, b), truths, inner, anything),
        st.builds(lambda a, w, b: wrapped("(CASE {0} WHEN {1} THEN {2} END)", a, w, b), inner, word_literals, inner),
    )


def truths_over(inner: st.SearchStrategy[Sql]) -> st.SearchStrategy[Sql]:
    return st.one_of(
        st.builds(joined, st.sampled_from(["AND", "OR", "=", "<>"]), inner, inner),
        st.builds(lambda a: wrapped("(NOT {0})", a), inner),
        st.builds(
            lambda a, what: wrapped("({0} IS " + what + ")", a),
            inner,
            st.sampled_from(["TRUE", "FALSE", "NULL", "NOT NULL"]),
        ),
        st.builds(lambda a, b: wrapped("COALESCE({0}, {1})", a, b), inner, st.one_of(inner, st.just(same("TRUE")))),
        st.builds(lambda c, a, b: wrapped("(CASE WHEN {0} THEN {1} ELSE {2} END)", c, a, b), inner, inner, inner),
        st.builds(lambda c, a: wrapped("(CASE WHEN {0} THEN {1} END)", c, a), inner, inner),
    )


def comparisons(numbers: st.SearchStrategy[Sql], texts: st.SearchStrategy[Sql]) -> st.SearchStrategy[Sql]:
    words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(lambda ws: ", ".join(f"'{w}'" for w in ws))
    return st.one_of(
        st.builds(joined, st.sampled_from(OPERATORS), numbers, st.one_of(numbers, number_literals)),
        st.builds(joined, st.sampled_from(OPERATORS), number_literals, numbers),
        st.builds(joined, st.sampled_from(OPERATORS), texts, st.one_of(texts, word_literals)),
        st.builds(joined, st.sampled_from(OPERATORS), word_literals, texts),
        st.builds(
            lambda a, no, low, high: wrapped("({0} " + no + "BETWEEN {1} AND {2})", a, low, high),
            numbers,
            st.sampled_from(["", "NOT "]),
            number_literals,
            numbers,
        ),
        st.builds(
            lambda a, no: wrapped("({0} " + no + "IN (1.0, -2.5, 0.0))", a), numbers, st.sampled_from(["", "NOT "])
        ),
        st.builds(
            lambda a, no, ws: wrapped("({0} " + no + "IN (" + ws + "))", a), texts, st.sampled_from(["", "NOT "]), words
        ),
        st.builds(
            lambda a, no, like: wrapped("({0} " + no + "LIKE '" + like + "')", a),
            texts,
            st.sampled_from(["", "NOT "]),
            st.sampled_from(PATTERNS),
        ),
        st.builds(
            lambda a, what: wrapped("({0} IS " + what + ")", a),
            st.one_of(numbers, texts),
            st.sampled_from(["NULL", "NOT NULL"]),
        ),
        st.sampled_from(["p", "q"]).map(same),
    )


def conditions() -> st.SearchStrategy[Sql]:
    plain = comparisons(number_columns, text_columns)
    numbers = st.one_of(number_columns, numbers_over(number_columns, plain))
    deeper = st.one_of(numbers, numbers_over(numbers, plain))
    texts = st.one_of(text_columns, texts_over(text_columns, plain))
    return st.recursive(comparisons(deeper, texts), truths_over, max_leaves=5)


rows_of_a_table = st.lists(
    st.fixed_dictionaries(
        {
            "a": numbers_of_a_row,
            "b": numbers_of_a_row,
            "p": st.one_of(st.none(), st.booleans()),
            "q": st.one_of(st.none(), st.booleans()),
            "s": st.one_of(st.none(), st.sampled_from(WORDS)),
            "t": st.one_of(st.none(), st.sampled_from(WORDS)),
        }
    ),
    min_size=1,
    max_size=6,
)


def as_sqlite_says(text: str, rows: list[dict[str, Value]]) -> list[bool]:
    """True where SQLite calls the condition true, not false or NULL."""
    with sqlite3.connect(":memory:") as db:
        db.create_function("fmod", 2, lambda a, b: None if a is None or not b else math.fmod(a, b), deterministic=True)
        db.execute("PRAGMA case_sensitive_like = ON")
        db.execute("CREATE TABLE x (a REAL, b REAL, p INTEGER, q INTEGER, s TEXT, t TEXT)")
        db.executemany("INSERT INTO x VALUES (:a, :b, :p, :q, :s, :t)", rows)
        return [bool(answer) for (answer,) in db.execute(f"SELECT ({text}) IS TRUE FROM x ORDER BY rowid")]


@settings(max_examples=400, deadline=None)
@given(sql=st.deferred(conditions), rows=rows_of_a_table)
def test_a_condition_means_what_sql_says(sql: Sql, rows: list[dict[str, Value]]) -> None:
    ours, theirs = sql
    table = Table(len(rows), {name: [row[name] for row in rows] for name in rows[0]})

    mask = condition(ours, KINDS).holds(table)

    assert mask.tolist() == as_sqlite_says(theirs, rows)


@settings(max_examples=50, deadline=None)
@given(sql=st.deferred(conditions), rows=rows_of_a_table, cut=st.integers(0, 6))
def test_a_condition_does_not_depend_on_batch_cuts(sql: Sql, rows: list[dict[str, Value]], cut: int) -> None:
    compiled = condition(sql[0], KINDS)

    def answer(part: list[dict[str, Value]]) -> list[bool]:
        return compiled.holds(Table(len(part), {name: [row[name] for row in part] for name in rows[0]})).tolist()

    assert answer(rows[:cut]) + answer(rows[cut:]) == answer(rows)
