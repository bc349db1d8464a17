"""When checkpoints are written: before a replay takes too long, after a while, and at a clean end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.checkpointing import LONGEST, Checkpointing
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Answer, Decider
from consumer.partition_state import PartitionState
from consumer.restoring import Restored
from fraud.timeline import PolicyTimeline
from tests.builders import NOON

BEGINNING = Restored(next_offset=0, from_checkpoint=None, replayed=0, degraded=None)


class Written:
    """A consumer of two partitions that checkpoints every 100 records."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.folder = folder
        self.decider = Decider(log_id="log", group="fraud", timeline=PolicyTimeline(), scorers={}, now=lambda: NOON)
        clock: Callable[[], float] = lambda: self.seconds  # noqa: E731
        self.checkpointing = Checkpointing(
            folder=CheckpointFolder(folder), partitions=2, monotonic=clock, replay_records=100
        )
        for partition in (0, 1):
            self.decider.states[partition] = PartitionState(0)
            self.checkpointing.begin(partition, BEGINNING)

    def commit(self, **offsets: int) -> None:
        """Offsets by partition (`p0=50`) were committed."""
        next_offsets = {int(name[1:]): offset for name, offset in offsets.items()}
        for partition, offset in next_offsets.items():
            self.decider.states[partition].next_offset = offset
        self.checkpointing.after(self.decider, Answer(next_offsets=next_offsets))

    def ended(self) -> list[tuple[int, int]]:
        """Leave cleanly; partition and offset of every file."""
        self.checkpointing.write_all(self.decider)
        return sorted((int(path.name.split("-p")[1][:5]), int(path.stem[-20:])) for path in self.folder.iterdir())


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

    written.commit(p0=records)

    assert written.ended() == files if files else not list(tmp_path.iterdir())


def test_each_partition_counts_for_itself(tmp_path: Path) -> None:
    written = Written(tmp_path)

    written.commit(p0=60, p1=60)
    written.commit(p0=100, p1=90)
    written.commit(p1=95)

    assert written.ended() == [(0, 100), (1, 95)]


def test_after_a_while_little_is_enough(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.seconds = LONGEST

    written.commit(p0=1)
    written.decider.states.pop(0)

    assert written.ended() == [(0, 1)]


def test_what_was_replayed_counts_towards_the_next_one(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.checkpointing.begin(0, Restored(next_offset=500, from_checkpoint=None, replayed=99, degraded=None))

    written.commit(p0=501)
    written.decider.states.pop(0)

    assert written.ended() == [(0, 501)]


def test_a_folder_that_takes_nothing_does_not_stop_the_consumer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    written = Written(tmp_path / "file")

    written.commit(p0=100)
    written.commit(p0=250)
    written.checkpointing.write_all(written.decider)

    said = capsys.readouterr().out
    assert "checkpoint_failed" in said
    assert "free or open" in said
