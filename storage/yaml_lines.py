"""YAML as people wrote it: every scalar is its text, and every value knows its line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
_DEEPEST = 20
_ABSENT = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file holds, and the line of each value by its path."""

    content: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of a value, or of the nearest thing above it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> Document:
    """Parse one document. Raises ValueError with "LINE: what is wrong" for bad YAML, a repeated key, or an alias.

    >>> read_yaml("a: {NO: 1}").content
    {'a': {'NO': '1'}}
    """
    try:
        _refuse_bombs(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{line}: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"1: not readable as YAML: {str(error).splitlines()[0]}") from error
    lines: dict[Path, int] = {}
    return Document(_value(node, (), lines), lines)


def _refuse_bombs(text: str) -> None:
    # A few aliases of aliases can stand for billions of values, and reading thousands of levels takes minutes.
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"{line}: nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"{line}: aliases (*{event.anchor}) are not used here")


def _value(node: yaml.Node | None, path: Path, lines: dict[Path, int]) -> Any:
    if node is None:
        return None
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, at), lines) for at, item in enumerate(node.value)]
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return None if plain and node.value in _ABSENT else node.value


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"{line}: a key must be a plain word")
        if key.value in content:
            raise ValueError(f"{line}: {key.value} is there twice")
        lines[*path, key.value] = line
        content[key.value] = _value(value, (*path, key.value), lines)
    return content
