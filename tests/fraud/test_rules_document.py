"""What docs/rules.md tells analysts to write is understood as it stands."""

import re
from pathlib import Path

import pytest

from fraud.expressions import condition
from fraud.features import COLUMN_KINDS
from fraud.rule_file import rule_set_of
from fraud.rules import AnyRule

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def example(block: str) -> AnyRule:
    """The rule of one block."""
    (rule,) = rule_set_of(f"version: 1\ndefault_currency: EUR\nrules:\n{block}", "docs/rules.md").rules
    return rule


def test_there_is_an_example_of_every_kind() -> None:
    kinds = [example(block).kind for block in blocks("yaml")]

    assert kinds == ["high_amount", "high_frequency", "unusual_hour", "geo_mismatch", "expression"]
    assert all(f"### {kind}\n" in TEXT for kind in kinds)


@pytest.mark.parametrize("text", [line for block in blocks("sql") for line in block.splitlines()])
def test_every_condition_can_be_written(text: str) -> None:
    assert condition(text, COLUMN_KINDS).columns
