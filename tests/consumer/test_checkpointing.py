"""When checkpoints are written: before a replay takes too long, after a while, and at a clean end."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.checkpoint_file import Checkpoint
from consumer.checkpointing import LONGEST, RETRY, SECONDS_PER_RECORD, SHARE, Checkpointing
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Answer, Decider
from consumer.partition_state import PartitionState
from consumer.restoring import CHUNK, Restored
from fraud.timeline import PolicyTimeline
from storage.failpoints import arm, disarm
from tests.builders import NOON

BEGINNING = Restored(next_offset=0, from_checkpoint=None, replayed=0, degraded=None)


class Written:
    """A consumer of two partitions that checkpoints once 100 records are to be replayed; its clocks are the test's."""

    def __init__(self, folder: Path, cpu_seconds: float = 0.0) -> None:
        self.seconds = 0.0
        self.folder = folder
        self.decider = Decider(log_id="log", group="fraud", timeline=PolicyTimeline(), scorers={}, now=lambda: NOON)
        clock: Callable[[], float] = lambda: self.seconds  # noqa: E731
        cpu = iter(range(1_000_000))
        self.checkpointing = Checkpointing(
            folder=CheckpointFolder(folder),
            partitions=2,
            monotonic=clock,
            cpu=lambda: next(cpu) * cpu_seconds,
            replay_seconds=100 * SECONDS_PER_RECORD,
        )
        for partition in (0, 1):
            self.decider.states[partition] = PartitionState(0)
            self.checkpointing.begin(partition, BEGINNING)

    def commit(self, **offsets: int) -> list[tuple[int, int]]:
        """Offsets by partition (`p0=50`) were committed; files once the writer has ended, if it was called."""
        next_offsets = {int(name[1:]): offset for name, offset in offsets.items()}
        for partition, offset in next_offsets.items():
            self.decider.states[partition].next_offset = offset
        self.checkpointing.after(self.decider, Answer(next_offsets=next_offsets), next_offsets)
        writing = self.checkpointing._writing
        if writing is not None and writing.thread is not None:
            writing.thread.join()
        return self.files()

    def files(self) -> list[tuple[int, int]]:
        """Partition and offset of every file."""
        found = self.folder.glob("*.checkpoint")
        return sorted((int(path.name.split("-p")[1][:5]), int(path.stem[-20:])) for path in found)

    def ended(self) -> list[tuple[int, int]]:
        """Leave cleanly; the files."""
        self.checkpointing.write_all(self.decider)
        return self.files()


@pytest.mark.parametrize(
    ("records", "files"),
    [
        pytest.param(0, [], id="nothing new"),
        pytest.param(99, [(0, 99)], id="too little: at the end only"),
        pytest.param(100, [(0, 100)], id="enough: at once, and not again at the end"),
    ],
)
def test_what_was_read_since_the_last_one_says_when(tmp_path: Path, records: int, files: list[tuple[int, int]]) -> None:
    written = Written(tmp_path)

    at_once = written.commit(p0=records)

    assert written.ended() == files
    assert at_once == (files if records >= 100 else [])


def test_partitions_are_replayed_one_after_the_other_so_they_count_together(tmp_path: Path) -> None:
    written = Written(tmp_path)

    assert written.commit(p0=39, p1=60) == []
    assert written.commit(p0=40) == [(1, 60)]  # the longest to replay
    assert written.commit(p1=119) == [(1, 60)]
    assert written.commit(p1=120) == [(1, 60), (1, 120)]
    assert written.ended() == [(0, 40), (1, 60), (1, 120)]


def test_partitions_that_went_elsewhere_count_no_more(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.commit(p0=99)
    written.decider.states.pop(0)

    assert written.commit(p1=1) == []


def test_after_a_while_little_is_enough(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.commit(p0=1)
    written.seconds = LONGEST - 1

    assert written.commit(p1=1) == []
    written.seconds = LONGEST
    assert written.commit(p1=2) == [(0, 1)]
    assert written.commit(p1=3) == [(0, 1), (1, 3)]
    assert written.commit(p1=4) == [(0, 1), (1, 3)]


def test_a_partition_where_nothing_came_is_not_written_again(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.seconds = LONGEST
    written.checkpointing.after(written.decider, Answer(next_offsets={}), {})

    assert written.ended() == []


def test_what_was_replayed_counts_towards_the_next_one(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.checkpointing.begin(0, Restored(next_offset=500, from_checkpoint=None, replayed=99, degraded=None))

    assert written.commit(p0=501) == [(0, 501)]


@pytest.mark.parametrize(
    ("replayed", "factor", "enough"),
    [
        pytest.param(CHUNK, 2.0, 50, id="slower than thought: due earlier"),
        pytest.param(CHUNK, 0.5, 200, id="faster than thought: due later"),
        pytest.param(CHUNK - 1, 2.0, 100, id="too few to tell"),
    ],
)
def test_what_a_record_costs_is_learnt_from_this_process_own_replay(
    tmp_path: Path, replayed: int, factor: float, enough: int
) -> None:
    written = Written(tmp_path)
    took = replayed * SECONDS_PER_RECORD * factor
    other = Restored(next_offset=0, from_checkpoint=None, replayed=replayed, degraded=None, seconds=took)
    written.checkpointing.begin(7, other)  # a partition that has gone again
    written.seconds = 1.0

    assert written.commit(p0=enough - 1) == []
    assert written.commit(p0=enough) == [(0, enough)]


def test_checkpoints_take_their_share_of_a_core_and_no_more(tmp_path: Path) -> None:
    """The test's CPU clock moves 1 s at every look: copying takes one, writing another."""
    written = Written(tmp_path, cpu_seconds=1.0)
    written.commit(p0=100)
    written.seconds = 2 / SHARE - 1

    assert written.commit(p0=300) == [(0, 100)]
    written.seconds += 1
    assert written.commit(p0=301) == [(0, 100), (0, 301)]


def test_one_copy_of_the_state_at_a_time(tmp_path: Path) -> None:
    """A slow folder makes checkpoints rare; it never makes copies pile up."""
    folder = _Slow(tmp_path)
    written = Written(tmp_path)
    written.checkpointing.folder = folder  # type: ignore[assignment]
    written.checkpointing.after(written.decider, _moved(written, 0, 100), {0: 100})
    assert folder.entered.wait(20)

    for offset in (200, 300):
        written.checkpointing.after(written.decider, _moved(written, 1, offset), {1: offset})
    waiting = threading.active_count()
    folder.free.set()

    assert written.ended() == [(0, 100), (1, 300)]
    assert sum(thread.name == "checkpoint" for thread in threading.enumerate()) == 0
    assert waiting >= 2


def _moved(written: Written, partition: int, offset: int) -> Answer:
    written.decider.states[partition].next_offset = offset
    return Answer(next_offsets={partition: offset})


class _Slow:
    """A folder that takes a checkpoint only when it is let."""

    def __init__(self, folder: Path) -> None:
        self._folder = CheckpointFolder(folder)
        self.entered, self.free = threading.Event(), threading.Event()

    def write(self, checkpoint: Checkpoint, committed: int | None = None) -> Path:
        self.entered.set()
        assert self.free.wait(20)
        return self._folder.write(checkpoint, committed)


def test_a_folder_that_takes_nothing_is_said_and_tried_again_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "group"
    folder.write_text("in the way")
    written = Written(folder)

    written.commit(p0=100)
    written.commit(p0=150)
    said = capsys.readouterr().out
    folder.unlink()

    assert said.count("checkpoint_failed") == 1, "tried once, not at every poll"
    assert "free or open" in said
    written.seconds = RETRY - 1
    assert written.commit(p0=151) == []
    written.seconds = RETRY
    assert written.commit(p0=152) == [(0, 152)]


def test_at_a_clean_end_a_failed_one_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "group"
    folder.write_text("in the way")
    written = Written(folder)
    written.commit(p0=100)
    folder.unlink()

    assert written.ended() == [(0, 100)]


@pytest.mark.parametrize("point", ["inside_checkpoint", "before_checkpoint_rename"])
def test_whatever_goes_wrong_in_the_writer_is_said_and_deciding_goes_on(
    tmp_path: Path, point: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = Written(tmp_path)
    arm(f"{point}=raise")
    try:
        assert written.commit(p0=100) == []
    finally:
        disarm()

    assert "checkpoint_failed" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [], "nothing half is left"
    written.seconds = RETRY
    assert written.commit(p0=101) == [(0, 101)]
