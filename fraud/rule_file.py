"""The rules file: YAML text in, a `RuleSet` or one line per mistake out. Pure: whoever has the file reads it.

YAML is taken without its surprises: `off` is a word and not False, 0742 keeps its zero, a key may not repeat, and there are no
aliases, tags or second documents.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fraud.decision import Severity
from fraud.errors import RuleFileError
from fraud.file_mistakes import Mistakes, Told
from fraud.rule import Rule
from fraud.rule_set import Bands, CardNumbers, RuleSet
from fraud.rules import AnyRule
from fraud.yaml_lines import Document, Path, YamlError, compose, shown

_MODEL_BY_KIND: dict[str, type[BaseModel]] = {
    rule.model_fields["kind"].default: rule for rule in get_args(get_args(AnyRule)[0])
}
_PARTS: dict[Path, type[BaseModel]] = {(): RuleSet, ("score",): Bands, ("card_numbers",): CardNumbers}


def rule_set_of(text: str, name: str) -> RuleSet:
    """Understand a rules file; `name` stands in front of each problem. Raises RuleFileError with every mistake."""
    try:
        document = compose(text)
    except YamlError as error:
        raise RuleFileError([f"{name}:{line}: {problem}" for line, problem in error.problems]) from error
    return _validated(document, name)


def schema() -> dict[str, Any]:
    """JSON Schema of the file, for editors."""
    described = RuleSet.model_json_schema()
    for part in described["$defs"].values():
        if "kind" in part.get("properties", ()):
            _as_written(part)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "Rules of fraudstream",
        "description": "What fraud analysts decide. `fraud rules check FILE` says each rule in words.",
    }


def _as_written(rule: dict[str, Any]) -> None:
    """A rule as people write it: its kind is needed, its severity is a word."""
    rule["required"] = ["id", "kind", *(name for name in rule["required"] if name != "id")]
    del rule["properties"]["kind"]["default"]
    severity = rule["properties"]["severity"]
    severity["default"] = Severity(severity["default"]).word


def _validated(document: Document, name: str) -> RuleSet:
    if not isinstance(document.data, dict):
        raise RuleFileError([f"{name}:1: a rules file is a mapping that starts with version: 1"])
    try:
        return RuleSet.model_validate(document.data)
    except ValidationError as error:
        raise RuleFileError(_mistakes(document, name, error)) from error


def _beside_its_kind(path: Path, rule: dict[str, Any]) -> tuple[type[BaseModel], list[ErrorDetails]]:
    """What else is wrong with a rule of no kind that there is: read as the nearest kind, or by what every rule has."""
    near = get_close_matches(str(rule.get("kind")), _MODEL_BY_KIND, 1)
    model: type[BaseModel] = _MODEL_BY_KIND[near[0]] if near else Rule
    content = {**rule, "kind": near[0]} if near else {key: rule[key] for key in rule if key in Rule.model_fields}
    try:
        model.model_validate(content)
    except ValidationError as error:
        return model, [{**detail, "loc": (*path, *detail["loc"])} for detail in error.errors()]
    return model, []


def _mistakes(document: Document, name: str, error: ValidationError) -> list[str]:
    rules = document.data.get("rules")
    given = [
        (("rules", at), rule)
        for at, rule in enumerate(rules if isinstance(rules, list) else [])
        if isinstance(rule, dict)
    ]
    kinds = {path: _MODEL_BY_KIND[kind] for path, rule in given if (kind := str(rule.get("kind"))) in _MODEL_BY_KIND}
    # Repeated ids are told from the document: their own lines, and also beside other mistakes.
    found = [detail for detail in error.errors() if detail["type"] != "repeated_id"]
    for path, rule in given:
        if path not in kinds:
            kinds[path], further = _beside_its_kind(path, rule)
            found += further
    return Mistakes(document, name, _PARTS | kinds, _MODEL_BY_KIND).lines(found, _repeated_ids(given))


def _repeated_ids(given: Sequence[tuple[Path, dict[str, Any]]]) -> Iterator[Told]:
    first_by_id: dict[str, Path] = {}
    for path, rule in given:
        id_ = rule.get("id")
        if isinstance(id_, str) and first_by_id.setdefault(id_, path) != path:
            yield (*path, "id"), f"{id_!r} is already the id of {shown(first_by_id[id_])}"
