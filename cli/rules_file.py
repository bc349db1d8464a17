"""The rules file as commands read it."""

from pathlib import Path

from fraud.errors import UsageError
from fraud.rule_file import rule_set_of
from fraud.rule_set import RuleSet


def read_rules(file: Path) -> tuple[RuleSet, str]:
    """The rules and the text they were read from. Raises UsageError for no text, RuleFileError for its mistakes."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{file} cannot be read: {reason}") from error
    return rule_set_of(text, str(file)), text
