r"""CSV that spreadsheets and parsers read alike: RFC 4180, and no cell that a spreadsheet would run as a formula.

>>> print(csv_bytes([{"user_id": "=1+1", "amount": -12.0, "rules": ["a", "b"]}]).decode().replace("\r\n", "|"), end="")
user_id,amount,rules|'=1+1,-12,a|b|
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from fraud.errors import UsageError
from storage.parts import Folder

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet evaluate a text cell (OWASP, CSV injection)."""
_KEPT = "filtered"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
Exportable = pd.DataFrame | Sequence[Mapping[str, Any]]


def write_csv(rows: Exportable, target: str | Path | TextIO) -> int:
    """Write a frame, or mappings with the keys of the first one, with a header; the answer is the number of rows.

    Texts that begin with = + - @ TAB or CR get an apostrophe in front; numbers stay numbers, negative ones too. Lists are
    joined by |, floats are the shortest text that reads back equal, moments are ISO 8601, absent is an empty cell. A path or
    URL appears only once it is whole; a text stream must have been opened with `newline=""`.
    """
    if isinstance(target, str | Path):
        return _write_file(rows, str(target))
    header, columns = _columns(rows)
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow([_safe(name) for name in header])
    writer.writerows(zip(*[map(_cell, column) for column in columns], strict=True))
    return len(rows)


def csv_bytes(rows: Exportable) -> bytes:
    """The same as UTF-8, for a download button."""
    buffer = io.StringIO(newline="")
    write_csv(rows, buffer)
    # A lone surrogate cannot be written as UTF-8; one odd cell must not cost the analyst the file.
    return buffer.getvalue().encode("utf-8", "replace")


def kept(data_dir: str | Path, name: str) -> str:
    """Where to keep an export: a new file under DATA_DIR/filtered, numbered when the name is taken. `write_csv` takes it.

    Only letters, digits, dot, dash and underscore of the name remain, so it cannot lead out of the folder.
    """
    stem = _UNSAFE.sub("-", name.removesuffix(".csv")).strip("-.") or "flags"
    folder = Folder.at(data_dir) / _KEPT
    try:
        folder.make()
        taken = folder.names()
    except OSError as error:
        raise UsageError(f"cannot keep exports under {data_dir}: {error}") from error
    candidates = (f"{stem}.csv" if number == 1 else f"{stem}-{number}.csv" for number in range(1, len(taken) + 2))
    free = next(candidate for candidate in candidates if candidate not in taken)
    return f"{str(data_dir).rstrip('/')}/{_KEPT}/{free}"


def _write_file(rows: Exportable, path: str) -> int:
    parent, _, name = path.rpartition("/")
    try:
        Folder.at(parent or ".").write(name, csv_bytes(rows))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error}") from error
    return len(rows)


def _columns(rows: Exportable) -> tuple[list[str], list[Iterable[Any]]]:
    if isinstance(rows, pd.DataFrame):
        return [str(name) for name in rows.columns], [rows.iloc[:, at].tolist() for at in range(rows.shape[1])]
    header = list(rows[0]) if rows else []
    return header, [[row.get(name) for row in rows] for name in header]


def _cell(value: Any) -> str:
    """One value as text, quoted by nobody yet."""
    if isinstance(value, str):
        return _safe(str(value))
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else repr(float(value)).removesuffix(".0")
    if isinstance(value, int | np.integer | Decimal):
        return str(int(value)) if not isinstance(value, Decimal) else f"{value:f}"
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return _safe("|".join(_bare(item) for item in value))
    return _other(value)


def _bare(item: Any) -> str:
    # Inside a joined cell only the first character counts, and the whole cell is made safe.
    return item if isinstance(item, str) else _cell(item)


def _other(value: Any) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return _safe(str(value))


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
