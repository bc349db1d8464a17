"""The rules file: YAML text in, a `RuleSet` or one line per mistake out. Pure: whoever has the file reads it.

YAML is taken without its surprises: `off` is a word and not False, 0742 keeps its zero, a key may not repeat, and there are no
aliases, tags or second documents.
"""

from typing import Any

from pydantic import ValidationError

from fraud.decision import Severity
from fraud.errors import RuleFileError
from fraud.rule_mistakes import Mistakes
from fraud.rule_set import RuleSet
from fraud.yaml_lines import Document, YamlError, compose


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
        raise RuleFileError(Mistakes(document, name).lines(error)) from error
