"""The grammar of conditions: which SQL nodes are allowed, how they are typed, and the term each becomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sqlglot import exp

from fraud.case_terms import case, coalesce
from fraud.columns import ColumnKind
from fraud.errors import ExpressionError
from fraud.refusals import refusal, shown
from fraud.spelling import nearest
from fraud.terms import (
    Number,
    Term,
    Text,
    Truth,
    all_of,
    among_numbers,
    any_of,
    arithmetic,
    boolean_column,
    compare_numbers,
    compare_truths,
    each,
    extreme,
    is_absent,
    is_so,
    negated,
    number_column,
    number_literal,
    truth_literal,
)
from fraud.text_terms import compare_texts, like, text_column, text_literal, words_where

MAX_DEPTH = 64
MAX_LITERAL = 1e15


@dataclass(slots=True)
class Reader:
    """Turns nodes into terms; knows which columns exist and remembers which were named."""

    kinds: Mapping[str, ColumnKind]
    columns: dict[str, None] = field(default_factory=dict)
    depth: int = 0

    def term(self, node: exp.Expr) -> Term:
        """The term of a node. Raises ExpressionError for what is not allowed."""
        known = READERS.get(type(node))
        if known is None or any(value and name not in known.arguments for name, value in node.args.items()):
            raise ExpressionError(refusal(node))
        if self.depth >= MAX_DEPTH:
            raise ExpressionError(f"the condition is nested deeper than {MAX_DEPTH}")
        self.depth += 1
        term = known.read(self, node)
        self.depth -= 1
        return term

    def truth(self, node: exp.Expr) -> Truth:
        """A condition, or a refusal that says what it is instead."""
        term = self.term(node)
        if not isinstance(term, Truth):
            raise ExpressionError(f"{shown(node)} is {_kind(term)}, where a condition (true or false) is needed")
        return term

    def number(self, node: exp.Expr) -> Number:
        """A number, or a refusal that says what it is instead."""
        term = self.term(node)
        if not isinstance(term, Number):
            raise ExpressionError(f"{shown(node)} is {_kind(term)}, where a number is needed")
        return term

    def text(self, node: exp.Expr) -> Text:
        """A text, or a refusal that says what it is instead."""
        term = self.term(node)
        if not isinstance(term, Text):
            raise ExpressionError(f"{shown(node)} is {_kind(term)}, where a text is needed")
        return term


def _column(reader: Reader, node: exp.Expr) -> Term:
    name = node.name
    kind = reader.kinds.get(name)
    if kind is None:
        raise ExpressionError(_unknown_column(node, reader.kinds))
    reader.columns[name] = None
    return _COLUMN_TERM[kind](name)


def _unknown_column(node: exp.Expr, kinds: Mapping[str, ColumnKind]) -> str:
    near = nearest(node.name, kinds)
    if node.this.args.get("quoted") and not near:
        return f"unknown column {node.name}; a text goes in single quotes: '{node.name}'"
    return f"unknown column {node.name}{near or '; see docs/features.md'}"


def _literal(_reader: Reader, node: exp.Expr) -> Term:
    if node.is_string:
        return text_literal(node.this)
    return number_literal(_number_of(node))


def _number_of(node: exp.Expr) -> float:
    """The value of a literal, with its sign."""
    if isinstance(node, exp.Paren | exp.Neg):
        inner = _number_of(node.this)
        return -inner if isinstance(node, exp.Neg) else inner
    if not isinstance(node, exp.Literal) or node.is_string:
        raise ExpressionError(f"{shown(node)} must be a plain number, like the rest of its list")
    try:
        value = float(node.this)
    except ValueError as error:
        raise ExpressionError(f"{node.this} is not a number") from error
    if value > MAX_LITERAL:
        raise ExpressionError(f"{node.this} is larger than any amount ({MAX_LITERAL:.0e} is the limit)")
    return value


def _and(reader: Reader, node: exp.Expr) -> Term:
    return all_of([reader.truth(part) for part in node.flatten()])


def _or(reader: Reader, node: exp.Expr) -> Term:
    return any_of([reader.truth(part) for part in node.flatten()])


def _comparison(reader: Reader, node: exp.Expr) -> Term:
    return _compare(reader, node, OPERATOR[type(node)], node.this, node.expression)


def _compare(reader: Reader, node: exp.Expr, operator: str, a: exp.Expr, b: exp.Expr) -> Truth:
    _refuse_null(a, b)
    left, right = reader.term(a), reader.term(b)
    _refuse_constant(node)
    if isinstance(left, Number) and isinstance(right, Number):
        return compare_numbers(operator, left, right)
    if isinstance(left, Text) and isinstance(right, Text):
        return compare_texts(operator, left, right)
    if isinstance(left, Truth) and isinstance(right, Truth) and operator in ("=", "<>"):
        return compare_truths(operator, left, right)
    raise ExpressionError(_mismatch(node, a, left, b, right))


def _mismatch(node: exp.Expr, a: exp.Expr, left: Term, b: exp.Expr, right: Term) -> str:
    what = f"{shown(node)} compares {_kind(left)} with {_kind(right)}"
    for side, other in ((a, right), (b, left)):
        if isinstance(side, exp.Literal) and not side.is_string and isinstance(other, Text):
            return f"{what}: put {side.this} in single quotes"
    if isinstance(left, Truth) and isinstance(right, Truth):
        return f"{what}: conditions have no order, join them with AND, OR, NOT"
    if isinstance(left, Truth) or isinstance(right, Truth):
        return f"{what}: a condition stands alone or after NOT"
    return what


def _refuse_null(*nodes: exp.Expr) -> None:
    if any(isinstance(node, exp.Null) for node in nodes):
        raise ExpressionError("a comparison with NULL is never true: write IS NULL or IS NOT NULL")


def _refuse_constant(node: exp.Expr) -> None:
    if node.find(exp.Column) is None:
        raise ExpressionError(f"{shown(node)} names no column: it is the same for every payment")


def _arithmetic(reader: Reader, node: exp.Expr) -> Term:
    return arithmetic(_UFUNC[type(node)], reader.number(node.this), reader.number(node.expression))


def _extreme(reader: Reader, node: exp.Expr) -> Term:
    ufunc = np.minimum if isinstance(node, exp.Least) else np.maximum
    return extreme(ufunc, [reader.number(part) for part in (node.this, *node.expressions)])


def _in(reader: Reader, node: exp.Expr) -> Term:
    _refuse_null(*node.expressions)
    _refuse_constant(node.this)
    subject = reader.term(node.this)
    if isinstance(subject, Number):
        return among_numbers(subject, [_number_of(item) for item in node.expressions])
    if isinstance(subject, Text):
        words = frozenset(_word_of(reader, item) for item in node.expressions)
        return words_where(subject, words.__contains__)
    raise ExpressionError(f"{shown(node.this)} is {_kind(subject)}: IN takes a number or a text")


def _word_of(reader: Reader, node: exp.Expr) -> str:
    word = reader.text(node).literal
    if word is None:
        raise ExpressionError(f"IN takes plain values, not {shown(node)}; write = and OR instead")
    return word


def _between(reader: Reader, node: exp.Expr) -> Term:
    subject, low, high = node.this, node.args["low"], node.args["high"]
    return all_of([_compare(reader, node, ">=", subject, low), _compare(reader, node, "<=", subject, high)])


def _like(reader: Reader, node: exp.Expr) -> Term:
    _refuse_null(node.expression)
    _refuse_constant(node.this)
    pattern = reader.text(node.expression).literal
    if pattern is None:
        raise ExpressionError(f"LIKE takes a plain text such as 'AB%', not {shown(node.expression)}")
    found = like(reader.text(node.this), pattern)
    return negated(found) if node.args.get("negate") else found


def _is(reader: Reader, node: exp.Expr) -> Term:
    _refuse_constant(node)
    if isinstance(node.expression, exp.Null):
        return is_absent(reader.term(node.this))
    if isinstance(node.expression, exp.Boolean):
        return is_so(reader.truth(node.this), node.expression.this)
    raise ExpressionError(f"{shown(node)}: IS takes NULL, TRUE or FALSE")


def _case(reader: Reader, node: exp.Expr) -> Term:
    subject = node.args.get("this")
    branches = []
    for branch in node.args["ifs"]:
        when = branch.this
        chosen = _compare(reader, node, "=", subject, when) if subject else reader.truth(when)
        branches.append((chosen, reader.term(branch.args["true"])))
    default = node.args.get("default")
    otherwise = None if default is None or isinstance(default, exp.Null) else reader.term(default)
    _same_kind(node, [result for _, result in branches] + ([otherwise] if otherwise else []))
    return case(branches, otherwise)  # type: ignore[type-var]  # one kind, checked above


def _coalesce(reader: Reader, node: exp.Expr) -> Term:
    parts = [node.this, *node.expressions]
    _refuse_constant(node.this)
    terms = [reader.term(part) for part in parts]
    _same_kind(node, terms)
    return coalesce(terms)  # type: ignore[type-var]  # one kind, checked above


def _same_kind(node: exp.Expr, terms: list[Term]) -> None:
    kinds = {_kind(term): None for term in terms}
    if len(kinds) > 1:
        raise ExpressionError(f"{shown(node)} mixes {' and '.join(kinds)}")


def _kind(term: Term) -> str:
    return {Number: "a number", Text: "a text", Truth: "a condition"}[type(term)]


class _Known(NamedTuple):
    """How one kind of node is read, and which arguments of it are understood."""

    read: Callable[[Reader, exp.Expr], Term]
    arguments: tuple[str, ...] = ("this", "expression")


OPERATOR: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_UFUNC: dict[type[exp.Expr], np.ufunc] = {
    exp.Add: np.add,
    exp.Sub: np.subtract,
    exp.Mul: np.multiply,
    exp.Div: np.divide,
    exp.Mod: np.fmod,  # the sign of the dividend, as in SQL
}
_COLUMN_TERM: dict[ColumnKind, Callable[[str], Term]] = {
    ColumnKind.NUMBER: number_column,
    ColumnKind.BOOLEAN: boolean_column,
    ColumnKind.TEXT: text_column,
}
READERS: dict[type[exp.Expr], _Known] = {
    exp.Column: _Known(_column, ("this",)),
    exp.Literal: _Known(_literal, ("this", "is_string")),
    exp.Boolean: _Known(lambda _reader, node: truth_literal(node.this), ("this",)),
    exp.Paren: _Known(lambda reader, node: reader.term(node.this), ("this",)),
    exp.And: _Known(_and),
    exp.Or: _Known(_or),
    exp.Not: _Known(lambda reader, node: negated(reader.truth(node.this)), ("this",)),
    **dict.fromkeys(OPERATOR, _Known(_comparison)),
    **dict.fromkeys(_UFUNC, _Known(_arithmetic, ("this", "expression", "safe"))),
    exp.Neg: _Known(lambda reader, node: each(np.negative, reader.number(node.this)), ("this",)),
    exp.Abs: _Known(lambda reader, node: each(np.abs, reader.number(node.this)), ("this",)),
    exp.Least: _Known(_extreme, ("this", "expressions", "ignore_nulls")),
    exp.Greatest: _Known(_extreme, ("this", "expressions", "ignore_nulls")),
    exp.In: _Known(_in, ("this", "expressions")),
    exp.Between: _Known(_between, ("this", "low", "high")),
    exp.Like: _Known(_like, ("this", "expression", "negate")),
    exp.Is: _Known(_is),
    exp.Case: _Known(_case, ("this", "ifs", "default")),
    exp.Coalesce: _Known(_coalesce, ("this", "expressions")),
}
