"""What a person reads who asks a command for help."""

from importlib import import_module

import pytest

from cli.main import COMMANDS, GROUPS

IN_GROUPS = [
    (group, command.name or command.callback.__name__)
    for group, (module, _) in GROUPS.items()
    for command in import_module(module).app.registered_commands
]
ALL = [(), *((name,) for name in (*COMMANDS, *GROUPS)), *IN_GROUPS]


@pytest.mark.parametrize("words", ALL, ids=lambda words: " ".join(words) or "fraud alone")
def test_every_help_has_an_example(fraud, words):
    outcome = fraud(*words, "--help")

    assert outcome.code == 0
    assert " ".join(("fraud", *words)) in " ".join(outcome.out.partition("Example: ")[2].split())


@pytest.mark.parametrize("words", [(), *((group,) for group in GROUPS)], ids=lambda words: " ".join(words) or "all")
def test_a_list_of_commands_cuts_no_sentence_short(fraud, words):
    assert "..." not in fraud(*words, "--help").out.partition("Commands:")[2]


def test_help_names_the_way_to_a_traceback(fraud):
    assert "--debug" in fraud("--help").out
