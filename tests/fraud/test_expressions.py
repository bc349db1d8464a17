"""Conditions: SQL's meaning held against SQLite, types, refusals, absence."""

import math
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.columns import ColumnKind
from fraud.errors import ExpressionError
from fraud.expressions import MAX_CHARACTERS, condition
from tests.fraud.tables import Table, Value, one_row

KINDS = {
    **dict.fromkeys(
        ["a", "b", "amount", "amount_mean_30d", "amount_to_mean_30d", "count_1h", "hour"], ColumnKind.NUMBER
    ),
    **dict.fromkeys(["p", "q", "new_device"], ColumnKind.BOOLEAN),
    **dict.fromkeys(["s", "t", "country", "mcc"], ColumnKind.TEXT),
}


def holds(text: str, **values: Value) -> bool:
    """Whether a condition holds for one payment."""
    mask = condition(text, KINDS).holds(one_row(**values))
    assert mask.shape == (1,)
    assert mask.dtype == np.bool_
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
    plain = st.deferred(lambda: comparisons(number_columns, text_columns))
    numbers = st.deferred(lambda: st.one_of(number_columns, numbers_over(number_columns, plain)))
    deeper = st.deferred(lambda: st.one_of(numbers, numbers_over(numbers, plain)))
    texts = st.deferred(lambda: st.one_of(text_columns, texts_over(text_columns, plain)))
    leaves = st.deferred(lambda: comparisons(deeper, texts))
    joined_once = st.deferred(lambda: st.one_of(leaves, truths_over(leaves)))
    return st.one_of(joined_once, truths_over(joined_once))


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


@settings(max_examples=200, deadline=None)
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


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        pytest.param("amount > 5", {"amount": None}, False, id="an absent number is above nothing"),
        pytest.param("NOT amount > 5", {"amount": None}, False, id="NOT unknown is unknown"),
        pytest.param("amount <> 5", {"amount": None}, False, id="an absent number differs from nothing"),
        pytest.param("country <> 'NL'", {"country": None}, False, id="an absent text differs from nothing"),
        pytest.param("NOT new_device", {"new_device": None}, False, id="an absent boolean is not false"),
        pytest.param("amount > 5 OR new_device", {"amount": None, "new_device": True}, True, id="OR needs one that is known"),
        pytest.param("amount > 5 AND new_device", {"amount": None, "new_device": True}, False, id="AND needs both"),
        pytest.param("NOT (amount > 5 AND new_device)", {"amount": None, "new_device": False}, True, id="unknown AND false is false"),
        pytest.param("amount / count_1h > 0", {"amount": 5.0, "count_1h": 0.0}, False, id="x/0 is absent"),
        pytest.param("(amount / count_1h) IS NULL", {"amount": 5.0, "count_1h": 0.0}, True, id="x/0 is seen by IS NULL"),
        pytest.param("amount % count_1h = 0", {"amount": 5.0, "count_1h": 0.0}, False, id="x%0 is absent"),
        pytest.param("amount % 3 = -1", {"amount": -7.0}, True, id="% takes the sign of the dividend"),
        pytest.param("amount / 2 = 2.5", {"amount": 5.0}, True, id="/ never cuts to whole numbers"),
        pytest.param("COALESCE(amount, 7) > 5", {"amount": None}, True, id="COALESCE stands in for an absent value"),
        pytest.param("GREATEST(amount, 7) > 5", {"amount": None}, False, id="GREATEST of an absent value is absent"),
        pytest.param("country LIKE 'n%'", {"country": "NL"}, False, id="LIKE minds case"),
        pytest.param("country LIKE '_L'", {"country": "NL"}, True, id="_ is one character"),
        pytest.param("country LIKE 'N%L_'", {"country": "N\nL\n"}, True, id="% and _ run over line ends"),
        pytest.param(f"country LIKE '{'%a' * 30}%c'", {"country": "a" * 256}, False, id="a pattern that would try for ever"),
        pytest.param("country NOT LIKE 'N%'", {"country": "NL"}, False, id="NOT LIKE is not LIKE"),
        pytest.param("mcc BETWEEN '5000' AND '5999'", {"mcc": "5411"}, True, id="texts have an order"),
        pytest.param("NOT amount > 5 AND new_device", {"amount": 1.0, "new_device": True}, True, id="NOT binds closer than AND"),
        pytest.param("amount > 5 OR amount > 1 AND new_device", {"amount": 9.0, "new_device": False}, True, id="AND binds closer than OR"),
        pytest.param("2 + 3 * amount = 17", {"amount": 5.0}, True, id="* binds closer than +"),
        pytest.param("amount > 5 -- of the week\n AND new_device", {"amount": 9.0, "new_device": True}, True, id="comments are skipped"),
        pytest.param("amount" + " * 1e15" * 21 + " <> 1", {"amount": 1.0}, False, id="what overflows is absent"),
    ],
)  # fmt: skip
def test_what_is_absent_is_never_a_hit(text: str, values: dict[str, Value], expected: bool) -> None:
    assert holds(text, **values) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("amounts > 1", "unknown column amounts, did you mean amount?", id="a misspelt column"),
        pytest.param("Amount > 1", "did you mean amount?", id="a column in another case"),
        pytest.param('country = "NL"', "single quotes: 'NL'", id="double quotes around a text"),
        pytest.param("t.amount > 1", "names a table", id="a column of a table"),
        pytest.param("amount", "is a number, where a condition", id="no condition"),
        pytest.param("mcc = 5411", "put 5411 in single quotes", id="a text against a number"),
        pytest.param("new_device = 1", "stands alone or after NOT", id="a condition against a number"),
        pytest.param("new_device > TRUE", "have no order", id="conditions in an order"),
        pytest.param("amount = NULL", "IS NULL", id="a comparison with NULL"),
        pytest.param("1 = 1", "names no column", id="the same for every payment"),
        pytest.param("SUM(amount) > 5", "SUM is an aggregate", id="an aggregate"),
        pytest.param("MAX(amount) > 5", "GREATEST", id="a maximum over payments"),
        pytest.param("COUNT(*) OVER (PARTITION BY mcc) > 5", "is a window", id="a window"),
        pytest.param("amount > (SELECT 1)", "reads a table", id="a subquery"),
        pytest.param("amount IN (SELECT 1)", "reads a table", id="a subquery behind IN"),
        pytest.param("EXISTS(SELECT 1)", "reads a table", id="EXISTS"),
        pytest.param("amount > NOW()", "reads a clock", id="a clock"),
        pytest.param("CURRENT_TIMESTAMP > amount", "reads a clock", id="a clock without parentheses"),
        pytest.param("RAND() > amount", "is random", id="chance"),
        pytest.param("country ILIKE 'nl'", "ignores case", id="ILIKE"),
        pytest.param("country LIKE 'n!_' ESCAPE '!'", "escapes", id="ESCAPE"),
        pytest.param("country LIKE mcc", "plain text", id="a pattern from a column"),
        pytest.param("amount LIKE '5%'", "where a text is needed", id="LIKE on a number"),
        pytest.param("country IN ('NL', mcc)", "plain values", id="a column in a list"),
        pytest.param("country IN ('NL', NULL)", "NULL", id="NULL in a list"),
        pytest.param("amount IN ('5')", "plain number", id="a text in a list of numbers"),
        pytest.param("new_device IN (TRUE)", "IN takes a number or a text", id="IN on a condition"),
        pytest.param("CAST(amount AS INT) > 1", "converts types", id="a cast"),
        pytest.param("country || 'x' = 'NLx'", "||", id="an operator that is not listed"),
        pytest.param("POWER(amount, 2) > 1", "POWER is not allowed", id="a function that is not listed"),
        pytest.param("BLAH(amount) > 1", "BLAH is not allowed", id="a function nobody knows"),
        pytest.param("amount IS DISTINCT FROM 5", "IS DISTINCT FROM is not allowed", id="another comparison"),
        pytest.param("amount BETWEEN SYMMETRIC 1 AND 2", "not allowed", id="an extra of an allowed node"),
        pytest.param(
            "CASE WHEN new_device THEN 1 ELSE 'x' END = 1", "mixes a number and a text", id="CASE of two kinds"
        ),
        pytest.param("amount > ?", "is a parameter", id="a parameter"),
        pytest.param("amount > 1e16", "larger than any amount", id="a number beyond money"),
        pytest.param("amount >", "not a SQL condition near '>'", id="half a condition"),
        pytest.param("amount > 1; DROP TABLE x", "not a SQL condition near 'DROP'", id="two statements"),
        pytest.param("", "not a SQL condition", id="nothing"),
        pytest.param("(" * 800 + "new_device" + ")" * 800, "nested too deeply", id="deep parentheses"),
        pytest.param("amount" + " + 1" * 500 + " > 1", "nested deeper", id="a long sum"),
        pytest.param("new_device" + " = new_device" * 20, "too large", id="truths compared twenty times"),
        pytest.param("new_device AND " * MAX_CHARACTERS + "new_device", "characters", id="a long text"),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_to_write_instead(text: str, says: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        condition(text, KINDS)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


FRAGMENTS = [
    "amount",
    "new_device",
    "country",
    "5",
    "'NL'",
    "(",
    ")",
    ">",
    "=",
    "<>",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "NULL",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    ",",
    "+",
    "-",
    "/",
    "%",
    "SUM",
    "COALESCE",
    "OVER",
    "SELECT",
    "*",
    ";",
    "--",
    ".",
    "::",
]


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(FRAGMENTS), max_size=15).map(" ".join),
    )
)  # fmt: skip
def test_any_text_is_a_condition_or_refused_in_one_line(text: str) -> None:
    try:
        mask = condition(text, KINDS).holds(one_row(amount=1.0, new_device=True, country="NL"))
    except ExpressionError as refused:
        said = str(refused).splitlines()
    else:
        said = mask.tolist()

    assert len(said) == 1


def test_a_condition_names_the_columns_it_reads() -> None:
    assert condition("new_device AND amount > 3 * amount_mean_30d AND amount < 9", KINDS).columns == (
        "new_device",
        "amount",
        "amount_mean_30d",
    )


def test_conditions_are_equal_when_their_text_is() -> None:
    assert condition("amount > 5", KINDS) == condition("amount > 5", KINDS)
    assert condition("amount > 5", KINDS) != condition("amount > 6", KINDS)


@pytest.mark.parametrize(
    ("text", "subject", "passing"),
    [
        pytest.param("amount > 5", "amount", "≤", id="a column against a literal"),
        pytest.param("5 < amount", "amount", "≤", id="the literal first"),
        pytest.param("count_1h >= 5", "count_1h", "<", id="at least"),
        pytest.param("hour <= 5", "hour", ">", id="at most"),
        pytest.param(
            "amount > 3 * amount_mean_30d AND new_device", "amount", "≤", id="a bound from the user's history"
        ),
        pytest.param(
            "new_device AND (count_1h > 5 AND amount > 3)", "amount", "≤", id="the amount before anything else"
        ),
        pytest.param("amount / amount_mean_30d > 3", "amount / amount_mean_30d", "≤", id="a formula against a literal"),
        pytest.param(
            "amount > 100 * amount_to_mean_30d AND hour < 5",
            "hour",
            "≥",
            id="a bound that moves with the amount is none",
        ),
    ],
)
def test_a_single_comparison_decides(text: str, subject: str, passing: str) -> None:
    decisive = condition(text, KINDS).decisive

    assert decisive is not None
    assert (decisive.subject, decisive.passing) == (subject, passing)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("new_device", id="no number"),
        pytest.param("amount > 5 OR new_device", id="OR has another way to hold"),
        pytest.param("amount = 5", id="any other number passes"),
        pytest.param("amount - 5 > amount_mean_30d * amount", id="the amount on both sides"),
        pytest.param("NOT amount > 5", id="under NOT"),
        pytest.param("country > 'NL'", id="a text"),
    ],
)
def test_no_single_comparison_decides(text: str) -> None:
    assert condition(text, KINDS).decisive is None
