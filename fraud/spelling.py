"""A word that nobody knows, and the one that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.55
"""Share of letters in common (difflib's ratio) from which a word may have been meant: `5 min` is still 5m."""
_FEW = 12


def nearest(word: str, valid: Iterable[str]) -> str:
    """How a refusal goes on: the valid word that was probably meant, or all of them when they are few.

    >>> nearest("Amounts", ["amount", "city"]), nearest("x", ["amount", "city"])
    (', did you mean amount?', '; one of amount, city')
    """
    word_by_small = {known.lower(): known for known in valid}
    found = get_close_matches(word.lower(), word_by_small, n=1, cutoff=_ALIKE)
    if found:
        return f", did you mean {word_by_small[found[0]]}?"
    return f"; one of {', '.join(word_by_small.values())}" if 0 < len(word_by_small) <= _FEW else ""
