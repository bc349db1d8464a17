"""Texts in a condition: compared on dictionary codes, so a test runs once for each distinct word."""

import re
from collections.abc import Callable

import numpy as np

from fraud.columns import Bools, Columns, Ints, TextColumn
from fraud.terms import MIRRORED, OPPOSITE, UFUNC, Mask, Text, Truth, negated


def text_column(name: str) -> Text:
    """A text column of the batch."""
    return Text(lambda columns: columns.text(name))


def text_literal(word: str) -> Text:
    """The same text for every row."""

    def evaluate(columns: Columns) -> TextColumn:
        return TextColumn((word,), np.zeros(len(columns), np.int64), np.ones(len(columns), np.bool_))

    return Text(evaluate, literal=word)


def compare_texts(operator: str, left: Text, right: Text) -> Truth:
    """Hold two texts against each other, by code point; unknown where one is absent."""
    if right.literal is not None:
        return _compare_with_word(operator, left, right.literal)
    if left.literal is not None:
        return _compare_with_word(MIRRORED[operator], right, left.literal)

    def masks(ufunc: np.ufunc) -> Mask:
        def evaluate(columns: Columns) -> Bools:
            a, b = left.evaluate(columns), right.evaluate(columns)
            mask: Bools = ufunc(*_ranks(a, b))
            return mask & a.present & b.present

        return evaluate

    return Truth(masks(UFUNC[operator]), masks(UFUNC[OPPOSITE[operator]]))


def words_where(text: Text, test: Callable[[str], bool]) -> Truth:
    """Where a text passes a test, asked once for each distinct word; unknown where it is absent."""

    def holds(columns: Columns) -> Bools:
        column = text.evaluate(columns)
        return _passing(column, test) & column.present

    def fails(columns: Columns) -> Bools:
        column = text.evaluate(columns)
        return ~_passing(column, test) & column.present

    return Truth(holds, fails)


def like(text: Text, pattern: str) -> Truth:
    """SQL's LIKE, case-sensitive: % is any run of characters, _ is one."""
    matches = _like_regex(pattern).match
    return words_where(text, lambda word: matches(word) is not None)


def _compare_with_word(operator: str, text: Text, word: str) -> Truth:
    if operator in ("=", "<>"):
        same = _same_word(text, word)
        return same if operator == "=" else negated(same)
    compare = _COMPARE[operator]
    return words_where(text, lambda other: compare(other, word))


def _same_word(text: Text, word: str) -> Truth:
    def holds(columns: Columns) -> Bools:
        column = text.evaluate(columns)
        mask: Bools = (column.codes == _code(column, word)) & column.present
        return mask

    def fails(columns: Columns) -> Bools:
        column = text.evaluate(columns)
        mask: Bools = (column.codes != _code(column, word)) & column.present
        return mask

    return Truth(holds, fails)


def _code(column: TextColumn, word: str) -> int:
    try:
        return column.words.index(word)
    except ValueError:
        return -1


def _passing(column: TextColumn, test: Callable[[str], bool]) -> Bools:
    if not column.words:
        return np.zeros(len(column), np.bool_)
    table = np.fromiter(map(test, column.words), np.bool_, len(column.words))
    return table[column.codes]


def _ranks(a: TextColumn, b: TextColumn) -> tuple[Ints, Ints]:
    """Both columns as ranks in one order, so that integers compare as the texts would."""
    rank_by_word = {word: rank for rank, word in enumerate(sorted({*a.words, *b.words}))}

    def ranks(column: TextColumn) -> Ints:
        table = np.array([rank_by_word[word] for word in column.words] or [0], dtype=np.int64)
        return table[column.codes]

    return ranks(a), ranks(b)


def _like_regex(pattern: str) -> re.Pattern[str]:
    """Atomic groups keep the match linear, whatever the pattern: each piece takes its first place and never gives it back."""
    first, *rest = (re.escape(piece).replace("_", ".") for piece in pattern.split("%"))
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(f"{first}{middle}{last}\\Z", re.DOTALL)


def choose(chosen: Bools, yes: TextColumn, no: TextColumn) -> TextColumn:
    """Take `yes` where chosen, else `no`, over one dictionary."""
    code_by_word = {word: code for code, word in enumerate(yes.words)}
    table = np.array([code_by_word.setdefault(word, len(code_by_word)) for word in no.words] or [0], dtype=np.int64)
    codes = np.where(chosen, yes.codes, table[no.codes])
    return TextColumn(tuple(code_by_word), codes, np.where(chosen, yes.present, no.present))


_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "<": str.__lt__,
    "<=": str.__le__,
    ">": str.__gt__,
    ">=": str.__ge__,
}
