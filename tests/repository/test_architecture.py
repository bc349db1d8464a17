"""The pages name code as `path.py:function`, `path.py:Class.method` or `path.py`: every one of them is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALKS = ("One payment, from send to screen", "One verdict-to-be", "One rules change", "One decision, into the archive")
NAMED = re.compile(r"`((?:[\w.]+/)*\w+\.py)(?::([A-Za-z_][\w.]*))?`")
PAGES = sorted({"README.md", "CONTRIBUTING.md", *(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md"))})


def named_in(text: str) -> list[tuple[str, str]]:
    """Files and names within them ("" for the file as a whole), as a page writes them."""
    return [(found[1], found[2] or "") for found in NAMED.finditer(text)]


def missing(path: str, name: str) -> str | None:
    """What is not there; None when all of it is."""
    file = ROOT / path
    if not file.is_file():
        return path
    return f"{path}:{name}" if name and name not in _defined(file) else None


@cache
def _defined(file: Path) -> frozenset[str]:
    """Every function, class, method and field of a module, as `name` or `Class.name`."""
    return frozenset(_names(ast.parse(file.read_text()).body, ""))


def _names(body: list[ast.stmt], prefix: str) -> list[str]:
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(prefix + node.name)
        elif isinstance(node, ast.ClassDef):
            names += [prefix + node.name, *_names(node.body, f"{prefix}{node.name}.")]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(prefix + node.target.id)
        elif isinstance(node, ast.Assign):
            names += [prefix + target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


@pytest.mark.parametrize("page", PAGES)
def test_everything_that_a_page_names_is_there(page):
    found = named_in((ROOT / page).read_text())

    assert [gone for path, name in found if (gone := missing(path, name))] == []


@pytest.mark.parametrize("walk", WALKS)
def test_every_walk_names_the_functions_it_passes(walk):
    text = (ROOT / "docs/architecture.md").read_text()

    steps = text.split(f"### {walk}\n")[1].split("\n#")[0]

    assert len([name for _, name in named_in(steps) if name]) >= 8


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        pytest.param("`consumer/loop.py:Loop.run`", None, id="a method that is there"),
        pytest.param("`storage/flags/sql_tables.py:FLAGS`", None, id="a constant that is there"),
        pytest.param("`fraud/decision.py:Flag.verdict`", None, id="a field that is there"),
        pytest.param("`consumer/loop.py:Loop.walk`", "consumer/loop.py:Loop.walk", id="a method that is gone"),
        pytest.param("`consumer/loop.py:run`", "consumer/loop.py:run", id="a method without its class"),
        pytest.param("`consumer/circle.py:Loop`", "consumer/circle.py", id="a file that is gone"),
        pytest.param("`consumer/circle.py`", "consumer/circle.py", id="a file that is gone, alone"),
    ],
)
def test_a_name_that_is_gone_is_found(text, gone):
    [(path, name)] = named_in(text)

    assert missing(path, name) == gone
