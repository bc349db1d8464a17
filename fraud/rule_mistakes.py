"""Mistakes in a rules file, one line each: file, line, path, what is wrong, and the nearest valid name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fraud.rule_set import Bands, CardNumbers, RuleSet
from fraud.rules import AnyRule, Expression
from fraud.yaml_lines import Document, Path, shown

_KINDS: dict[str, type[BaseModel]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(get_args(AnyRule)[0])
}
_PARTS: dict[str, type[BaseModel]] = {"score": Bands, "card_numbers": CardNumbers}
_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text (put it in quotes)",
    "tuple_type": "a list",
    "model_type": "a mapping (name: value)",
    "model_attributes_type": "a mapping (name: value)",
    "dict_type": "a mapping (name: value)",
}


class Mistakes:
    """Words what pydantic found, with the places of one document."""

    def __init__(self, document: Document, name: str) -> None:
        """`name` is the file as the reader knows it."""
        self.document = document
        self.name = name

    def lines(self, error: ValidationError) -> list[str]:
        """One line for each mistake, in the order of the file."""
        # Repeated ids are told from the document: their own lines, and also beside other mistakes.
        found = [(self._path(detail), detail) for detail in error.errors() if detail["type"] != "repeated_id"]
        told = [(path, self._what(path, detail)) for path, detail in found if detail["type"] != "missing"]
        told += [
            (path, "is missing")
            for path, detail in found
            if detail["type"] == "missing" and not _is_misspelt(path, told)
        ]
        told += self._repeated_ids()
        return [f"{self.name}:{line}: {shown(path) or 'file'}: {what}" for line, path, what in self._sorted(told)]

    def _sorted(self, told: Iterable[tuple[Path, str]]) -> list[tuple[int, Path, str]]:
        return sorted(((self.document.line(path), path, what) for path, what in told), key=lambda said: said[0])

    def _path(self, detail: ErrorDetails) -> Path:
        """Where in the file; pydantic puts the kind of a rule into the path, the file does not."""
        location: Path = detail["loc"]
        is_inside_rule = len(location) > 2 and location[0] == "rules" and location[2] in _KINDS
        return location[:2] + location[3:] if is_inside_rule else location

    def _what(self, path: Path, detail: ErrorDetails) -> str:
        match detail["type"]:
            case "extra_forbidden":
                return f"unknown field{_nearest(str(path[-1]), self._fields(path[:-1]))}"
            case "union_tag_not_found":
                return f"kind is missing; one of {', '.join(_KINDS)}"
            case "union_tag_invalid":
                return f"unknown kind {detail['ctx']['tag']}{_nearest(detail['ctx']['tag'], _KINDS)}"
            case "literal_error" | "enum":
                words = re.findall(r"'([^']*)'", detail["ctx"]["expected"]) or [detail["ctx"]["expected"]]
                return f"{_said(detail['input'])} is not valid{_nearest(str(detail['input']), words)}"
            case "value_error":
                return str(detail["ctx"]["error"])
            case "string_pattern_mismatch":
                return f"{_said(detail['input'])} must be lower case: letters, digits, - and _, beginning with a letter"
            case kind if kind in _TYPES:
                return f"{_said(detail['input'])} must be {_TYPES[kind]}"
        return f"{_said(detail['input'])}: {detail['msg'][0].lower()}{detail['msg'][1:]}"

    def _fields(self, parent: Path) -> list[str]:
        """The fields that a mapping of the file may have."""
        if not parent:
            return list(RuleSet.model_fields)
        if parent[0] == "rules" and len(parent) == 2:
            kind = self.document.data["rules"][parent[1]].get("kind")
            return list(_KINDS.get(kind, Expression).model_fields)
        return list(_PARTS[str(parent[0])].model_fields)

    def _repeated_ids(self) -> list[tuple[Path, str]]:
        first_by_id: dict[str, int] = {}
        repeated: list[tuple[Path, str]] = []
        for at, rule in enumerate(_rules(self.document.data)):
            id_ = rule.get("id") if isinstance(rule, dict) else None
            if isinstance(id_, str) and first_by_id.setdefault(id_, at) != at:
                repeated.append((("rules", at, "id"), f"{id_!r} is already the id of rules[{first_by_id[id_]}]"))
        return repeated


def _rules(data: dict[str, Any]) -> list[Any]:
    rules = data.get("rules")
    return rules if isinstance(rules, list) else []


def _is_misspelt(missing: Path, told: list[tuple[Path, str]]) -> bool:
    """Whether a mistake beside it already asks for the missing field."""
    return any(path[:-1] == missing[:-1] and what.endswith(f"did you mean {missing[-1]}?") for path, what in told)


def _nearest(word: str, words: Iterable[str]) -> str:
    known = list(words)
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f", did you mean {near[0]}?" if near else f"; one of {', '.join(known)}"


def _said(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
