"""Which single comparison on a number decides a condition, so that a hit can say what would have passed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sqlglot import exp

from fraud.columns import Columns, Floats
from fraud.grammar import OPERATOR, Reader
from fraud.terms import MIRRORED, Number

_MOVES_WITH_AMOUNT = frozenset({"amount", "amount_to_mean_30d", "amount_to_max_30d"})
"""Features that change with the amount itself: a bound made of them is no bound for it."""


class Bounds(NamedTuple):
    """Of n payments; meaningful where the condition holds."""

    observed: Floats
    threshold: Floats
    passes_at: Floats
    """The observed value next to the threshold at which the comparison is false."""


@dataclass(frozen=True, slots=True, eq=False)
class Decisive:
    """A comparison that every hit needs: were it false, the whole condition would be."""

    subject: str
    """What is compared, as SQL."""
    operator: str
    """One of < <= > >=."""
    observed: Number
    bound: Number

    @property
    def passing(self) -> str:
        """How a passing value stands to the threshold."""
        return {">": "≤", ">=": "<", "<": "≥", "<=": ">"}[self.operator]

    def bounds(self, columns: Columns) -> Bounds:
        """Observed value, threshold and the nearest passing value, each float64 of shape (n,)."""
        n = len(columns)
        observed = np.broadcast_to(self.observed.evaluate(columns)[0], n)
        threshold = np.broadcast_to(self.bound.evaluate(columns)[0], n)
        return Bounds(observed, threshold, _next_passing(self.operator, threshold))


def _next_passing(operator: str, threshold: Floats) -> Floats:
    if operator in (">", "<"):
        return threshold
    beyond: Floats = np.nextafter(threshold, -np.inf if operator == ">=" else np.inf)
    return beyond


def decisive(reader: Reader, tree: exp.Expr) -> Decisive | None:
    """The first comparison joined by AND that bounds a number, one on `amount` before any other; None without one."""
    found = [bound for part in _joined_by_and(tree) if (bound := _bound(reader, part)) is not None]
    return min(found, key=lambda bound: bound.subject != "amount", default=None)


def _joined_by_and(tree: exp.Expr) -> Iterator[exp.Expr]:
    node = tree.unnest()
    if not isinstance(node, exp.And):
        yield node
        return
    for part in node.flatten():
        yield from _joined_by_and(part)


def _bound(reader: Reader, node: exp.Expr) -> Decisive | None:
    operator = OPERATOR.get(type(node))
    if operator is None or operator in ("=", "<>"):
        return None
    for subject, bound, seen in (
        (node.this, node.expression, operator),
        (node.expression, node.this, MIRRORED[operator]),
    ):
        if _is_subject(subject, bound):
            observed, threshold = reader.term(subject), reader.term(bound)
            if isinstance(observed, Number) and isinstance(threshold, Number):
                return Decisive(subject.unnest().sql(comments=False), seen, observed, threshold)
    return None


def _is_subject(subject: exp.Expr, bound: exp.Expr) -> bool:
    """A column with a bound that does not move with it, or anything held against a constant."""
    moving = {column.name for column in bound.find_all(exp.Column)}
    if not moving:
        return True
    if not isinstance(subject.unnest(), exp.Column):
        return False
    return subject.unnest().name not in moving and not (
        subject.unnest().name in _MOVES_WITH_AMOUNT and moving & _MOVES_WITH_AMOUNT
    )
