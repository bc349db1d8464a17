"""Waiting for servers that are still coming up."""

import pytest

from cli.waiting import EVERY, until_up
from fraud.errors import StoreError


class ComingUp:
    """Answers from the third try on."""

    def __init__(self) -> None:
        """Not asked yet."""
        self.tries = 0

    def __call__(self) -> None:
        """Raises StoreError while it is not up."""
        self.tries += 1
        if self.tries < 3:
            raise StoreError("MongoDB nowhere: no answer in time")


def test_what_is_waited_for_is_said_once(fraud, capsys):
    fraud("rules", "schema")
    slept: list[float] = []

    until_up(ComingUp(), 60, slept.append)

    said = capsys.readouterr().err
    assert slept == [EVERY, EVERY]
    assert said.count("waiting") == said.count("MongoDB nowhere: no answer in time") == 1


def test_without_time_to_wait_the_error_stands(capsys):
    with pytest.raises(StoreError, match="MongoDB nowhere"):
        until_up(ComingUp(), 0)

    assert capsys.readouterr().err == ""
