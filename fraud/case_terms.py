"""CASE and COALESCE in a condition: which of several terms a row takes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from fraud.columns import Bools, Columns, Floats, TextColumn
from fraud.terms import EVERYWHERE, NOWHERE, Mask, Number, Present, Text, Truth, is_absent, negated
from fraud.text_terms import choose

_T = TypeVar("_T", Number, Text, Truth)
_ZERO: Floats = np.asarray(0.0)


def case(branches: Sequence[tuple[Truth, _T]], default: _T | None) -> _T:
    """The first branch whose condition holds, else the default, else absent. All branches are of one kind."""
    first = branches[0][1]
    if isinstance(first, Number):
        return _case_number(branches, default)
    if isinstance(first, Text):
        return _case_text(branches, default)
    return _case_truth(branches, default)


def coalesce(terms: Sequence[_T]) -> _T:
    """The first that is not absent. All terms are of one kind."""
    return case([(negated(is_absent(term)), term) for term in terms[:-1]], terms[-1]) if len(terms) > 1 else terms[0]


def _case_number(branches: Sequence[tuple[Truth, Number]], default: Number | None) -> Number:
    def evaluate(columns: Columns) -> tuple[Floats, Present]:
        values, present = default.evaluate(columns) if default else (_ZERO, NOWHERE)
        for condition, result in reversed(branches):
            chosen = condition.holds(columns)
            found, in_found = result.evaluate(columns)
            values = np.where(chosen, found, values)
            present = np.where(
                chosen, EVERYWHERE if in_found is None else in_found, EVERYWHERE if present is None else present
            )
        return values, present

    return Number(evaluate)


def _case_text(branches: Sequence[tuple[Truth, Text]], default: Text | None) -> Text:
    def evaluate(columns: Columns) -> TextColumn:
        column = default.evaluate(columns) if default else TextColumn.of([None] * len(columns))
        for condition, result in reversed(branches):
            column = choose(condition.holds(columns), result.evaluate(columns), column)
        return column

    return Text(evaluate)


def _case_truth(branches: Sequence[tuple[Truth, Truth]], default: Truth | None) -> Truth:
    def masks(side: Callable[[Truth], Mask]) -> Mask:
        def evaluate(columns: Columns) -> Bools:
            mask: Bools = side(default)(columns) if default else NOWHERE
            for condition, result in reversed(branches):
                mask = np.where(condition.holds(columns), side(result)(columns), mask)
            return mask

        return evaluate

    return Truth(masks(lambda truth: truth.holds), masks(lambda truth: truth.fails))
