"""YAML without its surprises, and with the line of every value.

Only plain mappings, lists and scalars: no aliases, anchors, tags or second documents, no key twice. `off` and `no` are words,
00:30 is a text, 0742 keeps its zero; only true, false, null, whole numbers and decimals are more than text. Where a text is
needed as it stands, `as_written` leaves even those alone.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 20
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?")
_NOTHING = {"null", "~", ""}
_TRUTH = {"true": True, "false": False}


class YamlError(Exception):
    """A text that is not the YAML we take; `problems` holds (line, what) for each."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        """Keep every problem with its line, counted from 1."""
        super().__init__("; ".join(f"line {line}: {what}" for line, what in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a text, and the line of each."""

    data: Any
    line_by_path: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest one around it."""
        while path and path not in self.line_by_path:
            path = path[:-1]
        return self.line_by_path.get(path, 1)


def typed(text: str) -> Any:
    """The value of an unquoted scalar."""
    small = text.lower()
    if small in _NOTHING:
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else _TRUTH.get(small, text)


def as_written(text: str) -> str | None:
    """An unquoted scalar letter by letter, so that the code 1.0 does not become 1; only null is nothing."""
    return None if text.lower() in _NOTHING else text


def compose(text: str, scalar: Callable[[str], Any] = typed) -> Document:
    """Read one document, each unquoted scalar through `scalar`. Raises YamlError with every problem that was found.

    >>> compose("a: [NO, 1.0, '2']").data, compose("a: [NO, 1.0, '2']", as_written).data
    ({'a': ['NO', 1.0, '2']}, {'a': ['NO', '1.0', '2']})
    """
    if len(text) > MAX_CHARACTERS:
        raise YamlError([(1, f"the file has {len(text):,} characters, {MAX_CHARACTERS:,} are allowed")])
    composer = _Composer(yaml.parse(text, Loader=yaml.SafeLoader), scalar)
    try:
        data = composer.document()
    except yaml.YAMLError as error:
        raise YamlError([*composer.problems, _syntax_problem(error)]) from error
    if composer.problems:
        raise YamlError(composer.problems)
    return Document(data, composer.line_by_path)


def _syntax_problem(error: yaml.YAMLError) -> tuple[int, str]:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    return (mark.line + 1 if mark else 1), f"not YAML: {problem}"


@dataclass(slots=True)
class _Composer:
    events: Iterator[Any]
    scalar: Callable[[str], Any]
    problems: list[tuple[int, str]] = field(default_factory=list)
    line_by_path: dict[Path, int] = field(default_factory=dict)

    def document(self) -> Any:
        """The values of the only document; None for an empty text."""
        data, documents = None, 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._problem(event, "a second document begins; a file holds one")
                data = self._value(next(self.events), ()) if documents == 1 else data
        return data

    def _value(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._problem(event, f"aliases such as *{event.anchor} are not taken; write the value again")
        if event.anchor or event.tag:
            self._problem(event, f"{'anchors' if event.anchor else 'tags'} are not taken; write the plain value")
        if len(path) > MAX_DEPTH:
            raise YamlError([(event.start_mark.line + 1, "nested too deeply")])
        self.line_by_path.setdefault(path, event.start_mark.line + 1)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path)
        return event.value if event.style else self.scalar(event.value)

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            name = self._key(key, path)
            if name in mapping:
                first = self.line_by_path[(*path, name)]
                self._problem(key, f"{shown((*path, name))}: given twice, first on line {first}")
            else:
                self.line_by_path[(*path, name)] = key.start_mark.line + 1
            mapping[name] = self._value(next(self.events), (*path, name))
        return mapping

    def _key(self, event: Any, path: Path) -> str:
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        self._value(event, (*path, ""))  # one level further in: brackets may stand in names without end, too
        self._problem(event, "a name must be a plain word")
        return ""

    def _list(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _problem(self, event: Any, what: str) -> None:
        self.problems.append((event.start_mark.line + 1, what))


def shown(path: Path) -> str:
    """A path as people write it.

    >>> shown(("rules", 2, "limit", "EUR"))
    'rules[2].limit.EUR'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
