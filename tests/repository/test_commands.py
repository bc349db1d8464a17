"""The commands that the pages name are there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def targets() -> set[str]:
    """Targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/deploy.md", "docs/architecture.md"])
def test_every_make_command_of_a_page_exists(page):
    named = set(
        re.findall(
            r"^(?:sudo )?make ([a-z][a-z-]*)|`(?:sudo )?make ([a-z][a-z-]*)", (ROOT / page).read_text(), re.MULTILINE
        )
    )

    assert {one or other for one, other in named} - targets() == set()


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_names_its_two_commands(command):
    assert re.search(rf"^{command}\b", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command.split()[1] in targets()


def test_help_lists_every_target_that_people_call():
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert {"setup", "demo", "test", "check", "lock", "ci-setup"} <= set(re.findall(r"make ([a-z-]+)", shown))


@pytest.mark.parametrize("step", ["make ci-setup", "make test"])
def test_both_build_servers_call_the_same_targets(step):
    assert step in (ROOT / ".ci/run").read_text()
    assert step in (ROOT / ".github/workflows/ci.yml").read_text()
