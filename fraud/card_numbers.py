"""Card numbers never travel further: finding them in raw messages, and masking what is kept of a refused one.

A digit run is taken for a card number when its length and first digits belong to an issuer (ISO/IEC 7812) and its last digit
is right (Luhn). Runs inside a hexadecimal word of 32 or more characters or a UUID are not: a hash would otherwise be refused
by chance once in some hundred.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from fraud.kernels import kernel

_RUN = re.compile(r"(?<![0-9])[0-9]{12,19}(?![0-9])")
_GROUPS = re.compile(  # looked for at every place: what stands before or after a card number may be digits, too
    r"(?<![0-9])(?=([0-9]{4}(?:[ -][0-9]{4}){3}(?![0-9]))([ -][0-9]{1,3}(?![0-9]))?|([0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5})(?![0-9]))"
)
_GROUPED = re.compile(r"[0-9]{4}[ -][0-9]{4}")
_LONG_FRACTION = re.compile(r"[0-9]\.[0-9]{12}")
_STRING_OR_FRACTION = re.compile(r'("(?:[^"\\]|\\.)*+")|(?<![0-9])-?[0-9]{1,3}\.[0-9]++(?![eE])')
_ESCAPE = re.compile(r"\\+u00([2-7][0-9a-fA-F])")
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
_FORBIDDEN_HINTS = ("cvv", "cvc", "cvn", "cav", "csc", "cid", "track", "pin", "security", "verification", "stripe")
_FORBIDDEN_NAME = (
    r"(?:(?<![a-z])(?:cvv|cvc|cvn|cav|csc|cid|track|pin|security_?code|verification_?(?:code|value)|mag_?stripe)"
    r"|(?<=[a-z])(?-i:C[Vv][Vv]|C[Vv][Cc]|P[Ii][Nn]|Track))"
    r"(?:[_-]?(?:[123]|one|two|data|block|code|value|number|equivalent))*"
)
_SECRET_FIELD = re.compile(
    rf"""({_FORBIDDEN_NAME}\\*["']?\s*[:=]\s*)"""
    r"""(\\*"(?:[^"\\]|\\.?)*+"?|'[^']*'?|[\[{].*|[^,}\s]+)""",  # a list or an object: all that follows
    re.IGNORECASE | re.DOTALL,
)


def holds_card_number(text: str) -> bool:
    """Whether any digit run of the text is a card number, as JSON means it: escapes count as what they stand for.

    The fraction of a number is no run: coordinates have as many digits as cards.
    """
    text = _unescaped(text)
    if _LONG_FRACTION.search(text):
        text = _STRING_OR_FRACTION.sub(lambda match: match.group(1) or "0", text)
    found = [(at, at + len(run)) for at, run in _runs(text) if is_card_number(run.replace(" ", "").replace("-", ""))]
    hashes = [match.span() for match in _HASH.finditer(text)] if found else []
    return any(not _within(span, hashes) for span in found)


def _runs(text: str) -> Iterator[tuple[int, str]]:
    """Where digits stand as on a card, and how they are written."""
    for match in _RUN.finditer(text):
        yield match.start(), match.group()
    for match in _GROUPS.finditer(text) if _GROUPED.search(text) else ():
        fours, more, fifteen = match.groups()
        yield match.start(), fours or fifteen
        if more:
            yield match.start(), fours + more


def _unescaped(text: str) -> str:
    r"""Digits and letters that are written as \u0034 as what they are; quotes and backslashes stay escaped."""
    return _ESCAPE.sub(_character, text) if "\\u00" in text else text


def _character(escape: re.Match[str]) -> str:
    character = chr(int(escape.group(1), 16))
    return escape.group() if character in '"\\' else character


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
    text = _unescaped(text)
    without_fields = _SECRET_FIELD.sub(r'\1"***"', text) if _hints_at_secrets(text) else text
    return re.sub(r"[0-9](?:[ -]?[0-9]){11,}", lambda run: "*" * len(run.group()), without_fields)


def has_secret_field(text: str) -> bool:
    """Whether a field called cvv, cvc, track, pin or alike is in the text."""
    text = _unescaped(text)
    return _hints_at_secrets(text) and _SECRET_FIELD.search(text) is not None


def _hints_at_secrets(text: str) -> bool:
    """Cheap, and true wherever the pattern could match."""
    lowered = text.lower()
    return any(hint in lowered for hint in _FORBIDDEN_HINTS)


def suspects(values: Sequence[bytes]) -> npt.NDArray[np.bool_]:
    """Which messages hold twelve digits in a row, or groups of them: the few that `holds_card_number` must look at."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    return _suspects(np.frombuffer(b"".join(values) or b"\0", np.uint8), np.cumsum(lengths))


def _within(span: tuple[int, int], hashes: Sequence[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in hashes)


def _only_sixteen(digits: str) -> bool:
    return digits[0] == "2" or (digits[0] == "5" and digits[1] in "12345")


@kernel
def _suspects(text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:  # pragma: no cover
    """One pass over all messages: a run counts digits, and goes on over one space or dash between digits.

    The fraction of a number outside a string is no run, unless an exponent moves its point. A backslash-u escape could hide
    a digit, so a message with one is a suspect too.
    """
    found = np.zeros(len(ends), np.bool_)
    start = 0
    for message in range(len(ends)):
        run = fraction = 0
        gap = is_text = is_fraction = escaped = False
        for at in range(start, ends[message]):
            char = text[at]
            quotes = char == 34 and not escaped
            escaped = char == 92 and not escaped
            if 48 <= char <= 57:
                gap = False
                if is_fraction:
                    fraction += 1
                else:
                    run += 1
                if run >= 12:
                    found[message] = True
                    break
            elif (char == 32 or char == 45) and run > 0 and not gap and not is_fraction:
                gap = True
            else:
                is_escape = char == 92 and at + 1 < ends[message] and text[at + 1] == 117
                if is_escape or ((char == 101 or char == 69) and fraction >= 11):
                    found[message] = True
                    break
                is_text = is_text != quotes
                is_fraction = char == 46 and not is_text and 0 < run <= 3
                run = fraction = 0
        start = ends[message]
    return found
