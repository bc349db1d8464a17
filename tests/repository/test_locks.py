"""Both lock files: every package pinned with hashes, no address, and the two agree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;]+)")


def pins(lock: str) -> dict[str, set[str]]:
    """Versions by package; some have one version for each Python."""
    versions: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text().splitlines():
        if pin := PIN.match(line):
            versions.setdefault(pin[1], set()).add(pin[2])
    return versions


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes(lock):
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())

    assert len(entries) > 50
    assert [entry.splitlines()[0] for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_an_address(lock):
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert " @ " not in text


def test_both_locks_agree():
    runtime, development = (pins(lock) for lock in LOCKS)

    assert runtime.items() <= development.items()


def test_the_locks_build_the_project_without_fetching_anything_else():
    assert {"hatchling", "editables"} <= pins("requirements.lock").keys()


def test_every_declared_dependency_is_locked():
    declared = re.search(
        r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE
    )
    assert declared
    names = {re.split(r"[\[<>=,]", entry)[0] for entry in re.findall(r'"([^"]+)"', declared[1])}

    assert names - pins("requirements.lock").keys() == set()
