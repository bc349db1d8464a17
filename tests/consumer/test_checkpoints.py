"""A checkpoint is whole or not there, the same bytes for the same state, and never another's."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.checkpoint_file import Checkpoint, read
from consumer.checkpoints import KEPT, SCHEMA, CheckpointFolder
from consumer.deciding import Decider
from consumer.minutes import Counts
from consumer.partition_state import PartitionState
from fraud.batch import Polled
from fraud.decision import micros
from fraud.errors import StateError
from fraud.timeline import PolicyTimeline
from fraud.windows import Remembered
from tests.builders import NOON
from tests.fraud.messages import message

LOG = "cluster.1-topic_2"


def checkpoint_of(offset: int = 5, **what_matters: Any) -> Checkpoint:
    """State after some payments and dead letters."""
    fields: dict[str, Any] = {
        "log_id": LOG, "partition": 3, "partitions": 12, "offset": offset, "received_at": micros(NOON),
        "minute": Counts(minute=0, seen=4, dead={"schema": 1}, spend={"EUR": 500}), "policy": "f" * 64,
        "remembered": remembered_after(offset),
    }  # fmt: skip
    return Checkpoint(**(fields | what_matters))


def remembered_after(count: int) -> Remembered:
    decider = decider_at_the_beginning()
    decider.remember(poll([message(transaction_id=f"t-{at}", user_id=f"u-{at % 3}") for at in range(count)]))
    return decider.engine.windows(3).remembered()


def decider_at_the_beginning() -> Decider:
    decider = Decider(log_id=LOG, group="fraud", timeline=PolicyTimeline(), scorers={}, now=lambda: NOON)
    decider.states[3] = PartitionState(0)
    return decider


def poll(values: list[bytes], first: int = 0) -> Polled:
    return Polled(
        partition=np.full(len(values), 3, np.int64),
        offset=np.arange(first, first + len(values)),
        received_at=np.array(
            [micros(NOON) + offset * 9_000_000 for offset in range(first, first + len(values))], np.int64
        ),
        values=values,
    )


def newest(folder: CheckpointFolder, at_most: int = 99, partitions: int = 12) -> tuple[Checkpoint | None, list[str]]:
    return folder.newest(LOG, 3, partitions, at_most)


def equal(one: Checkpoint | None, other: Checkpoint) -> bool:
    if one is None or replace(one, remembered=other.remembered) != other:
        return False
    names = ("newest", "hashes", "lengths", "dropped", "rows")
    return all(np.array_equal(getattr(one.remembered, name), getattr(other.remembered, name)) for name in names)


@pytest.mark.parametrize("offset", [0, 1, 50], ids=["nobody known", "one payment", "fifty"])
def test_what_is_written_is_read_back(tmp_path: Path, offset: int) -> None:
    folder, checkpoint = CheckpointFolder(tmp_path / "a" / "b"), checkpoint_of(offset)

    path = folder.write(checkpoint)

    assert equal(read(path), checkpoint)
    assert equal(newest(folder)[0], checkpoint)
    assert path.name == f"cluster.1_topic_2-p00003-s{SCHEMA:03}-{offset:020}.checkpoint"


values = st.lists(
    st.one_of(
        st.builds(
            lambda number, user, amount: message(transaction_id=f"t-{number}", user_id=f"u-{user}", amount=amount, outcome="approved"),
            st.integers(0, 9), st.integers(0, 3), st.integers(0, 50),
        ),
        st.sampled_from([b"", b"broken", message(country="??"), message(currency="EUX"), message(amount=0.001)]),
    ),
    max_size=25,
)  # fmt: skip


@given(values, st.data())
@settings(max_examples=40)
def test_equal_logs_give_equal_bytes_whatever_the_batch_cuts(values: list[bytes], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=6)))

    assert content_after(values, cuts) == content_after(values, [])


def test_counts_by_reason_are_in_one_order_however_they_came_up() -> None:
    values = [message(country="??"), b"", message(currency="EUX")]

    assert content_after(values, [1]) == content_after(values, [])


def content_after(values: list[bytes], cuts: Iterable[int]) -> bytes:
    """The file after these records, decided in these pieces."""
    decider = decider_at_the_beginning()
    for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        decider.decide(poll(values[start:end], start))
    state = decider.states[3]
    with tempfile.TemporaryDirectory() as folder:
        return (
            CheckpointFolder(Path(folder))
            .write(
                checkpoint_of(
                    state.next_offset,
                    received_at=state.received_at,
                    minute=state.open_minute.copy(),
                    remembered=decider.engine.windows(3).remembered(),
                )
            )
            .read_bytes()
        )


def test_a_flipped_bit_anywhere_is_noticed_and_the_one_before_is_taken(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.write(checkpoint_of(2))
    path = folder.write(checkpoint_of(9))
    whole = path.read_bytes()

    for at in [*range(700), *range(700, len(whole), 97)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        found, skipped = newest(folder)
        assert found is not None
        assert found.offset == 2, at
        assert skipped == [f"{path.name}: damaged or cut short"]


def test_a_file_that_was_cut_short_anywhere_is_skipped_with_a_line(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.write(checkpoint_of())
    whole = path.read_bytes()

    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        assert newest(folder) == (None, [f"{path.name}: damaged or cut short"]), kept

    path.write_bytes(whole + b" ")
    assert newest(folder) == (None, [f"{path.name}: damaged or cut short"])


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(lambda header: b"", id="nothing"),
        pytest.param(lambda header: b"\xff\xfe", id="no text"),
        pytest.param(lambda header: b"{" * 5_000, id="no JSON"),
        pytest.param(lambda header: b" " * (1 << 17) + header, id="endless"),
        pytest.param(lambda header: b"[1, 2]", id="a list"),
        pytest.param(lambda header: b"null", id="null"),
        pytest.param(lambda header: header.replace(b'"rows"', b'"lines"'), id="a field is missing"),
        pytest.param(lambda header: header.replace(b'"rows":5', b'"rows":"5"'), id="a number as a text"),
        pytest.param(lambda header: header.replace(b'"rows":5', b'"rows":-5'), id="fewer rows than none"),
        pytest.param(lambda header: header.replace(b'"rows":5', b'"rows":6'), id="more rows than there are"),
        pytest.param(lambda header: header.replace(b'"rows":5', b'"rows":4'), id="fewer rows than there are"),
        pytest.param(lambda header: header.replace(b'"rows":5', b'"rows":9223372036854775807'), id="rows without end"),
        pytest.param(lambda header: header.replace(b'"users":3', b'"users":1e99'), id="a count that is none"),
        pytest.param(lambda header: header.replace(b'"seen":4', b'"seen":null'), id="a counter that is none"),
    ],
)
def test_a_header_that_is_none_is_skipped_though_the_sum_is_right(
    tmp_path: Path, header: Callable[[bytes], bytes]
) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.write(checkpoint_of())
    before, after = sealed(path, header)

    assert after != before
    folder.check(LOG, 12)
    assert newest(folder) == (None, [f"{path.name}: damaged or cut short"])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("lengths", [1, 2, 9], id="more rows than there are"),
        pytest.param("lengths", [-4, 4, 5], id="less than none"),
        pytest.param("lengths", [0, 0, 5], id="users without payments"),
        pytest.param("hashes", [1, 3, 2], id="users in another order"),
        pytest.param("hashes", [1, 1, 2], id="a user twice"),
    ],
)
def test_arrays_that_kernels_would_trust_in_vain_are_skipped(tmp_path: Path, name: str, values: list[int]) -> None:
    folder, remembered = CheckpointFolder(tmp_path), remembered_after(5)
    getattr(remembered, name)[:] = np.array(values, getattr(remembered, name).dtype)
    path = folder.write(checkpoint_of(remembered=remembered))

    assert newest(folder) == (None, [f"{path.name}: its arrays contradict each other"])


def sealed(path: Path, header: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """Write a file again with another header and the sum that belongs to it; both contents."""
    before = path.read_bytes()
    _, line, arrays = before.split(b"\n", 2)
    content = header(line) + b"\n" + arrays
    path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    return before, path.read_bytes()


def test_a_file_under_anothers_name_is_skipped(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.write(checkpoint_of(5))
    other = path.rename(path.with_name(path.name.replace(f"{5:020}", f"{7:020}")))

    assert newest(folder) == (None, [f"{other.name}: its content belongs to another name"])


def test_logs_whose_names_only_look_alike_are_told_apart(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.write(checkpoint_of(log_id=LOG.replace("-", "/")))

    assert newest(folder)[0] is None


def test_one_that_a_restart_could_use_stays_however_many_are_ahead_of_what_is_committed(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for offset in (2, 4, 6, 7, 8, 9):
        folder.write(checkpoint_of(offset), committed=5)

    offsets = sorted(int(path.stem[-20:]) for path in tmp_path.iterdir())
    assert offsets == [4, 7, 8, 9]


@pytest.mark.parametrize(("written", "committed"), [(1, 0), (3, 2), (3, 3), (6, 3)])
def test_a_process_that_was_frozen_drops_none_that_others_need(tmp_path: Path, written: int, committed: int) -> None:
    folder = CheckpointFolder(tmp_path)
    for offset in (4, 7, 8, 9):
        folder.write(checkpoint_of(offset), committed=5)

    folder.write(checkpoint_of(written), committed)

    assert {int(path.stem[-20:]) for path in tmp_path.iterdir()} >= {4, 7, 8, 9}


@pytest.mark.parametrize(
    ("at_most", "offset"), [pytest.param(4, None), pytest.param(5, 5), pytest.param(6, 5), pytest.param(99, 7)]
)
def test_the_highest_one_at_or_below_an_offset_is_taken(tmp_path: Path, at_most: int, offset: int | None) -> None:
    folder = CheckpointFolder(tmp_path)
    for written in (7, 5):
        folder.write(checkpoint_of(written))

    found, skipped = newest(folder, at_most)

    assert (found and found.offset, skipped) == (offset, [])


def test_the_highest_few_of_each_partition_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.write(checkpoint_of(1, partition=4))
    for offset in range(10, 10 + KEPT + 3):
        folder.write(checkpoint_of(offset))

    offsets = sorted(int(path.stem[-20:]) for path in tmp_path.iterdir())
    assert offsets == [1, *range(13, 13 + KEPT)]


def test_state_of_another_partition_count_or_a_newer_release_is_refused(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    path = folder.write(checkpoint_of())

    with pytest.raises(StateError, match="12 partitions, this one has 6"):
        newest(folder, partitions=6)

    of_format(path, SCHEMA + 1)
    with pytest.raises(StateError, match="newer release"):
        newest(folder)


def test_an_older_format_is_said_and_goes_once_there_are_newer_ones(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    old = of_format(folder.write(checkpoint_of(7)), SCHEMA - 1)

    folder.check(LOG, 12)
    assert newest(folder) == (None, [f"{old.name}: of the older format {SCHEMA - 1}, this release reads {SCHEMA}"])
    for offset in range(8, 8 + KEPT):
        folder.write(checkpoint_of(offset))
    assert not old.exists()


def test_a_newer_format_is_never_dropped_by_an_older_release(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    new = of_format(folder.write(checkpoint_of(1)), SCHEMA + 1)

    for offset in range(2, 3 + KEPT):
        folder.write(checkpoint_of(offset))

    assert new.exists()


def of_format(path: Path, schema: int) -> Path:
    return path.rename(path.with_name(path.name.replace(f"-s{SCHEMA:03}-", f"-s{schema:03}-")))


def test_other_logs_partitions_and_files_are_left_alone(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.write(checkpoint_of(log_id="another"))
    folder.write(checkpoint_of(partition=4))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "x.unfinished").write_text("being written")

    assert newest(folder) == (None, [])
    assert newest(CheckpointFolder(tmp_path / "nowhere")) == (None, [])
    assert len(list(tmp_path.iterdir())) == 4


def test_what_a_killed_writer_left_behind_is_swept_up(tmp_path: Path) -> None:
    left = tmp_path / "tmpabc.unfinished"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))

    CheckpointFolder(tmp_path).write(checkpoint_of())

    assert not left.exists()


def test_a_folder_that_takes_nothing_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StateError, match=r"not written: .*; free or open") as raised:
        CheckpointFolder(tmp_path / "file").write(checkpoint_of())

    assert "\n" not in str(raised.value)
