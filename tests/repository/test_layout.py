"""What is tracked: whole, small enough to read, and free of addresses and places of one machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("fraud", "storage", "models", "producer", "consumer", "dashboard", "cli")
LONGEST_FILE = 300
LONGEST_TEST = 450
"""Tables of cases read faster than code."""

FRAUD_MAY_IMPORT = {
    "fraud",
    "numpy",
    "numba",
    "msgspec",
    "xxhash",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "sqlglot",
    "yaml",
}
FRAUD_MAY_NOT_IMPORT = {
    "asyncio",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
}

REGISTRIES = (
    r"pypi\.org", r"pythonhosted", r"registry\.npmjs", r"crates\.io", r"proxy\.golang", r"repo1?\.maven", r"deb\.debian\.org",
    r"(?<!no-emit-)index-url", r"extra-index",
)  # fmt: skip
PLACES = (r"(?<![\w.}/])/work/", r"/root/(?!\.cache/pip\b)")


def tracked() -> list[Path]:
    """Every tracked file that is there, as a path relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git work tree: there is no list of tracked files")
    return tracked()


def sources(files: list[Path]) -> list[Path]:
    return [path for path in files if path.suffix == ".py"]


@pytest.mark.parametrize(
    "name",
    [
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", ".env.example", ".gitignore", ".ci/run", "Makefile",
        "Dockerfile", "docker-compose.prod.yml", "docs/architecture.md", "docs/decisions/README.md", "docs/deploy.md",
    ],
)  # fmt: skip
def test_what_a_stranger_looks_for_is_there(name):
    assert (ROOT / name).read_text().strip()


def test_no_file_is_too_long_to_read_in_one_sitting(files):
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in sources(files)}

    longest = {path: LONGEST_TEST if path.parts[0] == "tests" else LONGEST_FILE for path in lengths}
    assert {str(path): length for path, length in lengths.items() if length > longest[path]} == {}


def test_no_module_is_named_after_a_library_or_the_standard_library(files):
    taken = set(sys.stdlib_module_names) | {"kafka", "pymongo", "numba", "streamlit", "sklearn", "pandas", "pyarrow"}
    ours = [path for path in sources(files) if path.parts[0] in PACKAGES]

    assert [str(path) for path in ours if path.stem in taken] == []


def test_no_tracked_file_names_a_registry_or_a_place_of_one_machine(files):
    forbidden = re.compile("|".join(REGISTRIES + PLACES))
    found = [
        f"{path}:{number}"
        for path in files
        if path != Path(__file__).relative_to(ROOT) and path.suffix not in {".png", ".parquet"}
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]

    assert found == []


def test_no_data_is_tracked(files):
    folders = (
        "historical",
        "exported",
        "filtered",
        "decisions",
        "labels",
        "label_memory",
        "objects",
        "checkpoints",
        "embedded",
    )

    assert [str(path) for path in files if path.parts[0] == "storage" and path.parts[1] in folders] == []


def test_the_domain_imports_nothing_but_what_the_design_allows(files):
    found = {
        f"{path}: {name}"
        for path in sources(files)
        if path.parts[0] == "fraud"
        for name in _imported(ROOT / path)
        if name in FRAUD_MAY_NOT_IMPORT or not (name in FRAUD_MAY_IMPORT or name in sys.stdlib_module_names)
    }

    assert found == set()


def _imported(path: Path) -> set[str]:
    """Top-level names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names
