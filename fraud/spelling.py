"""A word that nobody knows, and the one that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.65
"""Share of letters in common (difflib's ratio) from which a word may have been meant."""
_FEW = 12


def nearest(word: str, valid: Iterable[str]) -> str:
    """How a refusal goes on: the valid word that was probably meant, or all of them when they are few.

    >>> nearest("Amounts", ["amount", "city"]), nearest("x", ["amount", "city"])
    (', did you mean amount?', '; one of amount, city')
    """
    known = list(valid)
    known_by_letters = {_letters(name): name for name in known}
    found = get_close_matches(_letters(word), known_by_letters, n=1, cutoff=_ALIKE)
    if found:
        return f", did you mean {known_by_letters[found[0]]}?"
    return f"; one of {', '.join(known)}" if 0 < len(known) <= _FEW else ""


def _letters(word: str) -> str:
    """Without what is easily mistaken: case, and spaces as in `5 min`."""
    return word.lower().replace(" ", "")
