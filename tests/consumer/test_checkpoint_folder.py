"""What a group's folder may hold is settled at the start; a disk that takes nothing leaves nothing half behind."""

import re
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from consumer.checkpoint_file import read
from consumer.checkpoints import SCHEMA, CheckpointFolder
from fraud.errors import StateError
from fraud.ring import NEVER, WIDTH
from fraud.windows import Remembered
from tests.consumer.test_checkpoints import LOG, checkpoint_of, of_format

ROOT = Path(__file__).parents[2]
NOBODY = 65_534
FILE_SIZE = 2_000
"""Bytes that a process of the test may write into one file."""


def test_a_folder_that_is_not_there_yet_is_made_and_left_empty(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path / "a" / "b").check(LOG, 12)

    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_the_groups_own_files_and_others_that_are_no_checkpoints_pass(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.write(checkpoint_of(1))
    folder.write(checkpoint_of(2, partition=4))
    (tmp_path / "notes.txt").write_text("mine")

    folder.check(LOG, 12)

    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        pytest.param(
            lambda folder: folder.write(checkpoint_of(log_id="cluster.1-topic_9")),
            r"is of the log cluster.1_topic_9, this one is cluster.1-topic_2: the topic was made anew",
            id="another topic",
        ),
        pytest.param(
            lambda folder: folder.write(checkpoint_of(log_id=LOG.replace("-", "/"))),
            r"is of the log cluster.1/topic_2, this one is cluster.1-topic_2",
            id="a topic whose name only looks alike",
        ),
        pytest.param(
            lambda folder: folder.write(checkpoint_of(log_id="old")).write_bytes(b""),
            r"is of the log old, ",
            id="another topic, damaged",
        ),
        pytest.param(
            lambda folder: folder.write(checkpoint_of(partitions=6)),
            r"of a topic with 6 partitions, this one has 12: users have moved",
            id="another partition count",
        ),
        pytest.param(
            lambda folder: of_format(folder.write(checkpoint_of()), SCHEMA + 1),
            r"is of a newer release .*start that release, ",
            id="a newer release",
        ),
    ],
)
def test_what_is_not_this_groups_memory_of_this_log_is_refused_in_one_line(
    tmp_path: Path, prepare: Callable[[CheckpointFolder], object], says: str
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.write(checkpoint_of(3, partition=1))
    prepare(folder)

    with pytest.raises(StateError, match=says) as raised:
        folder.check(LOG, 12)

    said = str(raised.value)
    assert said.endswith(f"choose another FRAUD_GROUP, or remove {tmp_path}")
    assert "\n" not in said
    assert ".checkpoint " in said, "names the file"


def test_what_a_damaged_file_says_of_itself_is_no_reason_to_refuse(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.write(checkpoint_of(partitions=12))
    path.write_bytes(path.read_bytes().replace(b'"partitions":12', b'"partitions":13'))

    folder.check(LOG, 12)

    assert folder.newest(LOG, 3, 12, 99) == (None, [f"{path.name}: damaged or cut short"])


def test_a_file_in_the_way_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StateError, match=r"/file: .*; mend its permissions, or name another FRAUD_CHECKPOINT_DIR$"):
        CheckpointFolder(tmp_path / "file").check(LOG, 12)


@pytest.mark.parametrize(
    ("mode_of_folder", "mode_of_file", "refused"),
    [
        pytest.param(0o777, 0o644, None, id="everything may be done"),
        pytest.param(0o555, 0o644, "group", id="not written"),
        pytest.param(0o333, 0o644, "group", id="not listed"),
        pytest.param(0o777, 0o000, r"group/\S+\.checkpoint", id="a file not read"),
    ],
)
def test_permissions_of_another_user_are_refused_at_the_start(
    mode_of_folder: int, mode_of_file: int, refused: str | None
) -> None:
    with tempfile.TemporaryDirectory() as above:  # others may not look into pytest's own
        Path(above).chmod(0o755)
        group = Path(above) / "group"
        CheckpointFolder(group).write(checkpoint_of()).chmod(mode_of_file)
        group.chmod(mode_of_folder)

        done = as_nobody(f"CheckpointFolder(Path({str(group)!r})).check({LOG!r}, 12)")
        group.chmod(0o755)

    said = done.split("StateError: ")[-1].strip()
    assert bool(said) == (refused is not None), done
    if refused is not None:
        assert re.fullmatch(
            rf"checkpoints cannot be read and written: /\S+/{refused}: Permission denied; mend its permissions, or .*",
            said,
        )


def as_nobody(code: str) -> str:
    """Run code as a user to whom permissions apply; what it said on its way out.

    Imports come first: another user may read less of this machine.
    """
    program = (
        "import os; from pathlib import Path; from consumer.checkpoints import CheckpointFolder\n"
        f"if os.getuid() == 0: os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        f"{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    return done.stderr


def test_a_file_needs_no_more_memory_than_its_content(tmp_path: Path) -> None:
    users, each = 2_000, 50
    rows = np.zeros((users * each, WIDTH), np.int64)
    users_of = {"hashes": np.arange(users, dtype=np.uint64), "lengths": np.full(users, each)}
    remembered = Remembered(newest=0, dropped=np.full(users, NEVER), rows=rows, **users_of)
    checkpoint = checkpoint_of(remembered=remembered)

    tracemalloc.start()
    try:
        path = CheckpointFolder(tmp_path).write(checkpoint)
        to_write = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        again = read(path)
        to_read = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    assert len(again.remembered.rows) == users * each
    assert to_write < rows.nbytes / 4
    assert to_read < path.stat().st_size * 1.25


def test_a_disk_that_is_full_is_said_and_leaves_nothing_half_behind(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    small = folder.write(checkpoint_of(2))
    assert small.stat().st_size < FILE_SIZE

    done = limited(
        "folder.check(LOG, 12)\n"
        "try: folder.write(checkpoint_of(50))\n"
        "except StateError as error: print(error)\n"
        "folder.write(checkpoint_of(3))\n",
        tmp_path,
    )

    assert done.stdout.startswith(
        f"checkpoint {small.name.replace(f'{2:020}', f'{50:020}')} not written: File too large; free"
    )
    assert sorted(int(path.stem[-20:]) for path in tmp_path.iterdir()) == [2, 3], done.stderr


def limited(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run code on a folder in a process that may write little into one file: an error of the system, as of a full disk."""
    program = (
        "import resource, signal; from pathlib import Path; from consumer.checkpoints import CheckpointFolder\n"
        "from fraud.errors import StateError; from tests.consumer.test_checkpoints import LOG, checkpoint_of\n"
        f"folder = CheckpointFolder(Path({str(folder)!r})); checkpoint_of(50)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_SIZE}, {FILE_SIZE}))\n{code}"
    )
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
