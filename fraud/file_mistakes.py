"""Mistakes in a file that people edit, one line each: file, line, path, what is wrong, and the nearest valid name."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from fraud.spelling import nearest
from fraud.yaml_lines import Document, Path, shown

Told = tuple[Path, str]
"""What is wrong with the value at a path."""

_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "tuple_type": "a list ([A, B])",
    "model_type": "a mapping (name: value)",
    "model_attributes_type": "a mapping (name: value)",
    "dict_type": "a mapping (name: value)",
}


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Words what pydantic found, with the places of one document."""

    document: Document
    name: str
    """The file as the reader knows it."""
    models: Mapping[Path, type[BaseModel]]
    """What each mapping of the document with a fixed set of fields is read as."""
    tags: Collection[str] = field(default=())
    """Kinds of a list's items: pydantic puts them into a path after the index, the file does not."""

    def lines(self, found: Iterable[ErrorDetails], more: Iterable[Told] = ()) -> list[str]:
        """One line for each thing that pydantic found, and for more that was told, in the order of the file."""
        placed = [(self._path(detail["loc"]), detail) for detail in found]
        told = [(path, self._what(path, detail)) for path, detail in placed if detail["type"] != "missing"]
        told += [
            (path, "is missing")
            for path, detail in placed
            if detail["type"] == "missing" and not _is_misspelt(path, told)
        ]
        in_order = sorted([*told, *more], key=lambda said: self.document.line(said[0]))
        return [self.line(path, what) for path, what in in_order]

    def line(self, path: Path, what: str) -> str:
        """What is wrong with a value, behind its place."""
        place = f"{self.name}:{self.document.line(path)}: "
        return f"{place}{shown(path)}: {what}" if path else f"{place}{what}"

    def _path(self, location: Path) -> Path:
        """Where in the file, without what pydantic puts between."""
        before: tuple[str | int | None, ...] = (None, *location)
        return tuple(
            part
            for previous, part in zip(before, location, strict=False)
            if part != "[key]" and not (isinstance(previous, int) and part in self.tags)
        )

    def _what(self, path: Path, detail: ErrorDetails) -> str:
        said = _said(detail["input"])
        match detail["type"]:
            case "extra_forbidden":
                return f"unknown field{nearest(str(path[-1]), self._fields(path[:-1]))}"
            case "union_tag_not_found":
                return f"kind is missing; one of {', '.join(self.tags)}"
            case "union_tag_invalid":
                return f"unknown kind {detail['ctx']['tag']}{nearest(detail['ctx']['tag'], self.tags)}"
            case "literal_error" | "enum":
                words = re.findall(r"'([^']*)'", detail["ctx"]["expected"]) or [detail["ctx"]["expected"]]
                return f"{said} is not valid{nearest(str(detail['input']), words)}"
            case "value_error":
                return str(detail["ctx"]["error"])
            case "string_pattern_mismatch":
                return f"{said} must be lower case: letters, digits, - and _, beginning with a letter"
            case kind if kind in _TYPES:
                return f"{said} must be {_TYPES[kind]}{self._how(path, detail)}"
        return f"{said}: {detail['msg'][0].lower()}{detail['msg'][1:]}"

    def _how(self, path: Path, detail: ErrorDetails) -> str:
        """What to write instead of something of another type."""
        if detail["type"] == "string_type":
            return " (put it in quotes)" if isinstance(detail["input"], bool | int | float) else ""
        fields = self._fields(path)
        return f" of {', '.join(fields)}" if fields and "model" in detail["type"] else ""

    def _fields(self, path: Path) -> list[str]:
        """The fields that a mapping of the file may have."""
        return list(self.models[path].model_fields) if path in self.models else []


def _is_misspelt(missing: Path, told: list[Told]) -> bool:
    """Whether a mistake beside it already asks for the missing field."""
    return any(path[:-1] == missing[:-1] and what.endswith(f"did you mean {missing[-1]}?") for path, what in told)


def _said(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
