"""Machine code is kept by the sources of the whole package: a change in any file compiles again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fraud

CALL = "from fraud.ring import packed; from fraud.kernels import FOLDER; print(FOLDER, packed(256 * 65 + 66))"


def run_copy(root: Path) -> tuple[str, str]:
    """Folder of the cache, and what a kernel computes, in a process that imports the copy."""
    environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(root / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", CALL], cwd=root, env=environment, check=True, capture_output=True, text=True
    )
    folder, answer = done.stdout.split()
    return folder, answer


@pytest.mark.slow
def test_a_change_in_another_file_makes_another_cache(tmp_path: Path) -> None:
    shutil.copytree(Path(fraud.__file__).parent, tmp_path / "fraud", ignore=shutil.ignore_patterns("__pycache__"))
    before = run_copy(tmp_path)
    again = run_copy(tmp_path)

    changed = tmp_path / "fraud" / "look_back.py"
    changed.write_text(changed.read_text() + "\n# changed\n")
    after = run_copy(tmp_path)

    assert before == again
    assert before[0].startswith(str(tmp_path / "cache"))
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert [path for path in Path(before[0]).rglob("*.nbi") if "ring" in path.name]
