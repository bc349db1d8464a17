"""Card numbers never travel further: finding them in raw messages, and masking what is kept of a refused one.

A digit run is taken for a card number when its length and first digits belong to an issuer (ISO/IEC 7812) and its last digit
is right (Luhn). Runs inside a hexadecimal word of 32 or more characters or a UUID are not: a hash would otherwise be refused
by chance once in some hundred.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

_RUN = re.compile(
    r"(?<![0-9])(?:[0-9]{12,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})(?![0-9])"
)
_HASH = re.compile(
    r"\b(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|(?=[0-9]*[a-fA-F])[0-9a-fA-F]{32,})\b"
)
_ISSUERS = re.compile(
    r"4(?:.{12}|.{15}|.{18})"  # Visa
    r"|(?:5[1-5]|222[1-9]|22[3-9].|2[3-6]..|27[01].|2720)(?:.{14}|.{12})"  # Mastercard, length checked below
    r"|3[47].{13}"  # American Express
    r"|3(?:0[0-59]|[689].).{11,16}"  # Diners Club
    r"|(?:6011|64[4-9].|65..).{12,15}"  # Discover
    r"|62.{14,17}"  # UnionPay
    r"|35(?:2[89]|[3-8].).{12,15}"  # JCB
    r"|(?:5[0678]|6.).{10,17}"  # Maestro
)
_SECRET_FIELD = re.compile(
    r'("(?:cvv2?|cvc2?|cid|csc|track_?[123]?(?:_?data)?|pin|pin_?block|security_?code)"\s*:\s*)("(?:[^"\\]|\\.)*"|[^,}\s]+)',
    re.IGNORECASE,
)


def holds_card_number(text: str) -> bool:
    """Whether any digit run of the text is a card number."""
    hashes = [match.span() for match in _HASH.finditer(text)]
    return any(
        is_card_number(match.group().replace(" ", "").replace("-", "")) and not _within(match.span(), hashes)
        for match in _RUN.finditer(text)
    )


def is_card_number(digits: str) -> bool:
    """Length, issuer prefix and Luhn digit of a run of digits (ISO/IEC 7812-1)."""
    issued = _ISSUERS.fullmatch(digits) is not None and not (len(digits) != 16 and _only_sixteen(digits))
    return issued and luhn(digits)


def luhn(digits: str) -> bool:
    """The Luhn check (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def masked(text: str) -> str:
    """The text without card numbers, long digit runs, or the values of fields that must never be kept (cvv, track, pin)."""
    without_fields = _SECRET_FIELD.sub(r'\1"***"', text)
    return re.sub(r"[0-9](?:[ -]?[0-9]){11,}", lambda run: "*" * len(run.group()), without_fields)


def has_secret_field(text: str) -> bool:
    """Whether a field called cvv, cvc, track, pin or alike is in the text."""
    return _SECRET_FIELD.search(text) is not None


def suspects(values: Sequence[bytes]) -> npt.NDArray[np.bool_]:
    """Which messages hold twelve digits in a row, or groups of them: the few that `holds_card_number` must look at."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    return _suspects(np.frombuffer(b"".join(values) or b"\0", np.uint8), np.cumsum(lengths))


def any_holds_card_number(texts: Iterable[str]) -> bool:
    """Whether one of the texts holds a card number."""
    return any(holds_card_number(text) for text in texts)


def _within(span: tuple[int, int], hashes: Sequence[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in hashes)


def _only_sixteen(digits: str) -> bool:
    return digits[0] == "2" or (digits[0] == "5" and digits[1] in "12345")


@njit(cache=True, nogil=True)
def _suspects(text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:  # pragma: no cover
    """One pass over all messages: a run counts digits, and goes on over one space or dash between digits.

    A backslash-u escape could hide a digit, so a message with one is a suspect too.
    """
    found = np.zeros(len(ends), np.bool_)
    start = 0
    for message in range(len(ends)):
        run = 0
        gap = False
        for at in range(start, ends[message]):
            char = text[at]
            if 48 <= char <= 57:
                run += 1
                gap = False
                if run >= 12:
                    found[message] = True
                    break
            elif (char == 32 or char == 45) and run > 0 and not gap:
                gap = True
            else:
                if char == 92 and at + 1 < ends[message] and text[at + 1] == 117:
                    found[message] = True
                    break
                run = 0
        start = ends[message]
    return found
