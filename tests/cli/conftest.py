"""The command line, run in this process as a person would run it, in an empty folder with settings of its own."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from cli.main import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder to run in: embedded log and store, nothing prepared."""
    for name in [name for name in os.environ if name.startswith("FRAUD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAUD_LOG", f"embedded:{tmp_path}/log")
    monkeypatch.setenv("FRAUD_STORE", f"sqlite:///{tmp_path}/flags.db")
    monkeypatch.setenv("FRAUD_DATA_DIR", f"{tmp_path}/data")
    monkeypatch.setenv("FRAUD_RULES_FILE", str(ROOT / "config/rules.yaml"))
    return tmp_path


@pytest.fixture
def fraud(home, monkeypatch, capsys) -> Iterator[Callable[..., Outcome]]:
    """Run `fraud` with these arguments."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["fraud", *arguments])
        code = 0
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    yield run
    structlog.reset_defaults()  # commands log to a standard error that ends with the test
