"""Terms of a condition over columns: numbers, texts and truths with SQL's three-valued logic, as numpy closures.

A term is compiled once and evaluated for each batch. Absence is a mask: a comparison with an absent value is unknown, NOT unknown
is unknown, and x/0 is absent. A truth answers two questions separately, so that only what is asked for is computed: where does it
hold, and where does it fail? Where neither, it is unknown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from fraud.columns import Bools, Columns, Floats, TextColumn

Present = Bools | None
"""Where a value is; None says everywhere, and saves the work."""
Mask = Callable[[Columns], Bools]


@dataclass(frozen=True, slots=True)
class Number:
    """A number of each row."""

    evaluate: Callable[[Columns], tuple[Floats, Present]]
    """Values of shape (n,) or a scalar, and where they are."""
    is_leaf: bool = False
    """A column or a literal: small enough that one operation on two of them stays finite."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of each row."""

    evaluate: Callable[[Columns], TextColumn]
    literal: str | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether something is so, for each row; masks of shape (n,) or scalar."""

    holds: Mask
    fails: Mask


Term = Number | Text | Truth

EVERYWHERE: Bools = np.asarray(True)
NOWHERE: Bools = np.asarray(False)
UFUNC: dict[str, np.ufunc] = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The operator that says the same with its sides exchanged."""


def number_column(name: str) -> Number:
    """A number column of the batch."""

    def evaluate(columns: Columns) -> tuple[Floats, Present]:
        column = columns.number(name)
        return column.values, column.present

    return Number(evaluate, is_leaf=True)


def boolean_column(name: str) -> Truth:
    """A boolean column of the batch: numbers 0.0 and 1.0."""

    def holds(columns: Columns) -> Bools:
        column = columns.number(name)
        mask: Bools = (column.values != 0.0) & column.present
        return mask

    def fails(columns: Columns) -> Bools:
        column = columns.number(name)
        mask: Bools = (column.values == 0.0) & column.present
        return mask

    return Truth(holds, fails)


def number_literal(value: float) -> Number:
    """The same number for every row."""
    values: Floats = np.asarray(value, dtype=np.float64)
    return Number(lambda _columns: (values, None), is_leaf=True)


def truth_literal(value: bool) -> Truth:
    """The same answer for every row."""
    yes, no = np.asarray(value), np.asarray(not value)
    return Truth(lambda _columns: yes, lambda _columns: no)


def arithmetic(ufunc: np.ufunc, left: Number, right: Number) -> Number:
    """Add, subtract, multiply, divide or fmod; what is not a finite number, x/0 above all, is absent."""
    stays_finite = left.is_leaf and right.is_leaf and ufunc in (np.add, np.subtract, np.multiply)

    def plain(columns: Columns) -> tuple[Floats, Present]:
        (a, in_a), (b, in_b) = left.evaluate(columns), right.evaluate(columns)
        return ufunc(a, b), _both(in_a, in_b)

    def checked(columns: Columns) -> tuple[Floats, Present]:
        (a, in_a), (b, in_b) = left.evaluate(columns), right.evaluate(columns)
        with np.errstate(all="ignore"):
            values = ufunc(a, b)
        return values, _both(_both(in_a, in_b), np.isfinite(values))

    return Number(plain if stays_finite else checked)


def each(ufunc: np.ufunc, inner: Number) -> Number:
    """Negative or absolute value."""

    def evaluate(columns: Columns) -> tuple[Floats, Present]:
        values, present = inner.evaluate(columns)
        return ufunc(values), present

    return Number(evaluate)


def extreme(ufunc: np.ufunc, terms: Sequence[Number]) -> Number:
    """The least or the greatest; absent when any of them is."""

    def evaluate(columns: Columns) -> tuple[Floats, Present]:
        values, present = terms[0].evaluate(columns)
        for term in terms[1:]:
            others, in_others = term.evaluate(columns)
            values, present = ufunc(values, others), _both(present, in_others)
        return values, present

    return Number(evaluate)


def compare_numbers(operator: str, left: Number, right: Number) -> Truth:
    """Hold two numbers against each other; unknown where one is absent."""

    def masks(ufunc: np.ufunc) -> Mask:
        def evaluate(columns: Columns) -> Bools:
            (a, in_a), (b, in_b) = left.evaluate(columns), right.evaluate(columns)
            present = _both(in_a, in_b)
            mask: Bools = ufunc(a, b)
            return mask if present is None else mask & present

        return evaluate

    return Truth(masks(UFUNC[operator]), masks(UFUNC[OPPOSITE[operator]]))


def compare_truths(operator: str, left: Truth, right: Truth) -> Truth:
    """`=` or `<>` between two truths; unknown where one is."""

    def same(columns: Columns) -> Bools:
        return (left.holds(columns) & right.holds(columns)) | (left.fails(columns) & right.fails(columns))

    def differ(columns: Columns) -> Bools:
        return (left.holds(columns) & right.fails(columns)) | (left.fails(columns) & right.holds(columns))

    return Truth(same, differ) if operator == "=" else Truth(differ, same)


def among_numbers(number: Number, values: Sequence[float]) -> Truth:
    """`IN` a list of numbers."""
    return any_of([compare_numbers("=", number, number_literal(value)) for value in values])


def all_of(truths: Sequence[Truth]) -> Truth:
    """AND: holds where all hold, fails where any fails."""
    return Truth(_joined(np.logical_and, [t.holds for t in truths]), _joined(np.logical_or, [t.fails for t in truths]))


def any_of(truths: Sequence[Truth]) -> Truth:
    """OR: holds where any holds, fails where all fail."""
    return Truth(_joined(np.logical_or, [t.holds for t in truths]), _joined(np.logical_and, [t.fails for t in truths]))


def negated(truth: Truth) -> Truth:
    """NOT: unknown stays unknown."""
    return Truth(truth.fails, truth.holds)


def is_so(truth: Truth, value: bool) -> Truth:
    """`IS TRUE` or `IS FALSE`: never unknown."""
    mask = truth.holds if value else truth.fails
    return Truth(mask, lambda columns: ~mask(columns))


def is_absent(term: Term) -> Truth:
    """`IS NULL`: never unknown."""
    present = _presence(term)
    return Truth(lambda columns: ~present(columns), present)


def _presence(term: Term) -> Mask:
    if isinstance(term, Number):
        return lambda columns: _or_everywhere(term.evaluate(columns)[1])
    if isinstance(term, Text):
        return lambda columns: term.evaluate(columns).present
    return lambda columns: term.holds(columns) | term.fails(columns)


def _or_everywhere(present: Present) -> Bools:
    return EVERYWHERE if present is None else present


def _both(a: Present, b: Present) -> Present:
    if a is None:
        return b
    return a if b is None else a & b


def _joined(ufunc: np.ufunc, masks: Sequence[Mask]) -> Mask:
    def evaluate(columns: Columns) -> Bools:
        return reduce(ufunc, [mask(columns) for mask in masks])

    return masks[0] if len(masks) == 1 else evaluate
