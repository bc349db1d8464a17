"""Columns: what a batch is made of. Absent is a mask beside the values, never NaN, 0 or ""."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """n numbers; where `present` is False the value is meaningless (stored as 0.0)."""

    values: Floats
    """float64, shape (n,)."""
    present: Bools
    """bool, shape (n,)."""

    @classmethod
    def full(cls, values: npt.NDArray[np.generic]) -> Self:
        """A column without absences."""
        return cls(np.asarray(values, dtype=np.float64), np.ones(len(values), dtype=np.bool_))

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Self:
        """A column from Python values, None being absent."""
        present = np.fromiter((value is not None for value in values), np.bool_, len(values))
        filled = np.fromiter((0.0 if value is None else value for value in values), np.float64, len(values))
        return cls(filled, present)

    def __len__(self) -> int:
        """Rows."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class TextColumn:
    """n texts, dictionary coded: row i is `words[codes[i]]` where `present[i]`."""

    words: tuple[str, ...]
    """The distinct texts."""
    codes: Ints
    """int64, shape (n,); 0 where absent."""
    present: Bools
    """bool, shape (n,)."""

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Self:
        """Code Python texts, None being absent."""
        code_by_word: dict[str, int] = {}
        codes = np.fromiter(
            (0 if value is None else code_by_word.setdefault(value, len(code_by_word)) for value in values),
            np.int64,
            len(values),
        )
        present = np.fromiter((value is not None for value in values), np.bool_, len(values))
        return cls(tuple(code_by_word), codes, present)

    def __len__(self) -> int:
        """Rows."""
        return len(self.codes)


class ColumnKind(StrEnum):
    """What a named column holds, for whoever types an expression or builds a matrix."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    """A number column of 0.0 and 1.0."""
    TEXT = "text"


class Columns(Protocol):
    """Named columns of one batch: fields of the transaction and features alike. `fraud.features.Features` is one."""

    def __len__(self) -> int:
        """Rows."""
        ...

    def number(self, name: str) -> NumberColumn:
        """A number or boolean column; KeyError for an unknown name."""
        ...

    def text(self, name: str) -> TextColumn:
        """A text column; KeyError for an unknown name."""
        ...
