"""Conditions that analysts write in SQL: parsed by sqlglot, allowed node by node, typed by us, compiled to numpy.

>>> from fraud.columns import ColumnKind
>>> kinds = {"amount": ColumnKind.NUMBER, "new_device": ColumnKind.BOOLEAN}
>>> condition("amount > 100 AND new_device", kinds).columns
('amount', 'new_device')
>>> condition("amounts > 100", kinds)
Traceback (most recent call last):
    ...
fraud.errors.ExpressionError: unknown column amounts, did you mean amount?

What is not listed in `fraud.grammar.READERS` is refused by name: an aggregate, a window, a subquery or a clock would make a
decision depend on more than the payment and its features, and a replay would decide otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from fraud.columns import Bools, ColumnKind, Columns, NumberColumn, TextColumn
from fraud.decisive import Decisive, decisive
from fraud.errors import ExpressionError
from fraud.grammar import Reader
from fraud.terms import Truth

MAX_CHARACTERS = 4_000
MAX_FETCHES = 1_000


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition: where it holds, and which single comparison decides it, if one does."""

    text: str
    columns: tuple[str, ...] = field(compare=False)
    """The columns it reads, in the order it names them."""
    truth: Truth = field(compare=False)
    decisive: Decisive | None = field(compare=False)

    def holds(self, columns: Columns) -> Bools:
        """Bool, shape (n,): True where it is true; False where it is false or unknown."""
        mask = self.truth.holds(columns)
        return mask if mask.ndim else np.full(len(columns), bool(mask))


def condition(text: str, kinds: Mapping[str, ColumnKind]) -> Condition:
    """Parse, type and compile. Raises ExpressionError in one line that names what is wrong."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"the condition has {len(text):,} characters, {MAX_CHARACTERS:,} are allowed")
    try:
        return _compiled(text, _parsed(text), kinds)
    except RecursionError as error:
        raise ExpressionError("the condition is nested too deeply") from error


def _parsed(text: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(text, into=exp.Condition)
    except SqlglotError as error:
        raise ExpressionError(_syntax_problem(error)) from error


def _syntax_problem(error: SqlglotError) -> str:
    place = next(iter(getattr(error, "errors", [])), None)
    if not place or not place.get("highlight"):
        return "not a SQL condition; write for example: amount > 3 * amount_mean_30d AND new_device"
    return f"not a SQL condition near {place['highlight']!r} (character {place['col']} of line {place['line']})"


def _compiled(text: str, tree: exp.Expr, kinds: Mapping[str, ColumnKind]) -> Condition:
    reader = Reader(kinds)
    truth = reader.truth(tree)
    truth.holds(_Trial())
    return Condition(text, tuple(reader.columns), truth, decisive(reader, tree))


@dataclass(slots=True)
class _Trial:
    """Columns without rows: a condition that asks them too often would be slow on real ones."""

    fetches: int = 0

    def __len__(self) -> int:
        return 0

    def number(self, _name: str) -> NumberColumn:
        self._count()
        return NumberColumn.of([])

    def text(self, _name: str) -> TextColumn:
        self._count()
        return TextColumn.of([])

    def _count(self) -> None:
        self.fetches += 1
        if self.fetches > MAX_FETCHES:
            raise ExpressionError("the condition is too large; split it into several rules")
