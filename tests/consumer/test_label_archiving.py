"""Topic `labels` becomes Parquet that `storage.labels` reads, by the same rule as decisions: same log, same bytes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer.label_archiving import LabelChore
from consumer.loop import Loop
from fraud.decision import micros
from fraud.errors import FailpointError, LogAwayError, StoreError
from fraud.schema import Label, LabelSource, LabelValue
from storage import failpoints, labels, past
from storage.archive import Archive
from storage.logs.log import LABELS, Assignment, Record
from tests.builders import NOON
from tests.consumer.roads import Road
from tests.consumer.test_outages import Away

CARD = "4111111111111111"


def label(number: int, **what_matters: Any) -> Label:
    fields: dict[str, Any] = {
        "transaction_id": f"t-{number}",
        "user_id": f"u-{number % 5}",
        "source": LabelSource.CUSTOMER,
        "label": LabelValue.FRAUD,
        "event_time": NOON,
        "reported_at": NOON + timedelta(minutes=number),
    }
    return Label(**(fields | what_matters))


def send(road: Road, said: Iterable[Label | bytes], seconds: float = 60.0) -> None:
    publisher = road.log.publisher(lambda: road.clock)
    for one in said:
        road.clock += int(seconds * 1e6)
        value = one if isinstance(one, bytes) else msgspec.json.encode(one)
        publisher.send(LABELS, b"key" if isinstance(one, bytes) else one.user_id.encode(), value)
    publisher.close()


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """Two hours of labels, some of them broken."""
    road = Road(tmp_path)
    road.policy()
    for first in range(0, 100, 20):
        send(
            road,
            [*map(label, range(first, first + 20)), b'{"broken', msgspec.json.encode(label(first, fraud_type=CARD))],
        )
    return road


def chore_of(loop: Loop) -> LabelChore:
    [chore] = [chore for chore in loop.chores if isinstance(chore, LabelChore)]
    return chore


def archived(road: Road, name: str, *, turns: int = 3, at_once: int = 5_000) -> None:
    """Let an archive look at the labels so many times."""
    loop = road.archiver(name, records=0)
    chore = chore_of(loop)
    clock = iter(range(0, 10_000_000, 10))
    chore.monotonic = lambda: float(next(clock))
    if at_once < 5_000:
        chore.reader = _Sparing(chore.reader, at_once)
    try:
        for _ in range(turns):
            chore.due(loop.status)
    finally:
        loop.close()


def files(road: Road, name: str) -> dict[str, str]:
    root = road.archive_folder(name) / "labels"
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("part-*")}


@pytest.fixture
def whole(road: Road) -> dict[str, str]:
    archived(road, "whole")
    return files(road, "whole")


def test_labels_of_the_log_are_known_as_of_their_report(road: Road, whole: dict[str, str]) -> None:
    found = labels.load(road.archive_folder("whole"), NOON + timedelta(minutes=30))

    assert len(found) == 31
    assert len(labels.load(road.archive_folder("whole"), NOON + timedelta(days=1))) > 80


@pytest.mark.parametrize(("turns", "at_once"), [(200, 1), (40, 7)])
def test_the_cut_into_polls_changes_no_byte(road: Road, whole: dict[str, str], turns: int, at_once: int) -> None:
    archived(road, "cut", turns=turns, at_once=at_once)

    assert files(road, "cut") == whole != {}


def test_stopping_and_starting_changes_no_byte(road: Road, whole: dict[str, str]) -> None:
    for turns in (3, 1, 5, 30):
        archived(road, "stopped", turns=turns, at_once=9)

    assert files(road, "stopped") == whole


def test_a_clock_that_went_back_is_remembered_over_a_stop(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    backwards = [0, 400, 700, 100, 100, 900, 50, 1_300]
    with_clocks(road, [(label(number), second) for number, second in enumerate(backwards)])
    archived(road, "whole")
    for turns in (2, 2, 2, 2, 2, 2, 8):
        archived(road, "stopped", turns=turns, at_once=2)

    assert files(road, "stopped") == files(road, "whole")
    ends = [file.received_at for file in Archive(road.archive_folder("whole"), LABELS).files(0)]
    assert len(ends) >= 3
    assert ends == sorted(ends)


def with_clocks(road: Road, said: list[tuple[Label, int]]) -> None:
    """Records as another broker would have them appended after a change of leader: its clock was behind."""
    start = micros(NOON)
    records = [
        Record(0, offset, start + second * 1_000_000, b"key", msgspec.json.encode(one))
        for offset, (one, second) in enumerate(said)
    ]
    road.log.import_records(LABELS, records)


def test_a_label_that_cannot_be_read_is_a_dead_letter(road: Road, whole: dict[str, str]) -> None:
    dead = road.dead()

    assert {(letter["topic"], letter["reason"]) for letter in dead} == {(LABELS, "not_json"), (LABELS, "pan_detected")}
    assert len(dead) == 10
    assert CARD not in str(dead)
    described = [
        file for partition in range(2) for file in Archive(road.archive_folder("whole"), LABELS).files(partition)
    ]
    assert sum(file.dead for file in described) > 5


def test_what_was_generated_and_sent_counts_once(road: Road, whole: dict[str, str]) -> None:
    folder = road.archive_folder("whole")
    alone = past.reports(folder)
    labels.write(folder, "2026-03", alone)

    assert past.reports(folder) == alone
    assert len(labels.load(folder, NOON + timedelta(days=1))) == len({one.transaction_id for one in alone})


@pytest.mark.parametrize("point", ["inside_archive_file"])
def test_a_crash_leaves_whole_files_and_loses_none(road: Road, whole: dict[str, str], armed: None, point: str) -> None:
    failpoints.arm(f"{point}=raise@3")
    with pytest.raises(FailpointError):
        archived(road, "died")
    found = files(road, "died")

    archived(road, "died")

    assert found.items() < whole.items()
    assert files(road, "died") == whole


def test_a_folder_that_takes_nothing_is_tried_again(road: Road, whole: dict[str, str]) -> None:
    loop = road.archiver("full", records=0)
    chore = chore_of(loop)
    clock = iter(range(0, 1_000, 10))
    chore.monotonic = lambda: float(next(clock))
    write, left = chore.files, [2]

    class Full:
        def write(self, one: Any) -> int:
            left[0] -= 1
            if left[0] >= 0:
                raise StoreError("full")
            return write.write(one)

        def __getattr__(self, name: str) -> Any:
            return getattr(write, name)

    chore.files = Full()  # type: ignore[assignment]
    for _ in range(6):
        chore.due(loop.status)
    loop.close()

    assert files(road, "full") == whole


def of_reader(chore: LabelChore) -> None:
    chore.reader = Away(chore.reader, {"committed": 3, "commit": 3})


def of_acknowledgements(chore: LabelChore) -> None:
    chore.publisher = Away(chore.publisher, {"flush": 3}, after=True)


def of_policies(chore: LabelChore) -> None:
    chore.policies.source = Away(chore.policies.source, {"bounds": 3})


def of_bounds(chore: LabelChore) -> None:
    chore.source = Away(chore.source, {"bounds": 3})


def of_the_folder(chore: LabelChore) -> None:
    files: Any = Away(chore.files, {"begin": 3}, error=StoreError)
    chore.files = files


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(of_reader, id="at a commit, and when a partition comes"),
        pytest.param(of_acknowledgements, id="at an acknowledgement that is lost"),
        pytest.param(of_policies, id="at a look at the policies, with labels in hand"),
        pytest.param(of_bounds, id="at a question for bounds"),
        pytest.param(of_the_folder, id="of the folder, when a partition comes"),
    ],
)
def test_an_outage_costs_no_label_wherever_it_begins(
    road: Road, whole: dict[str, str], breaks: Callable[[LabelChore], None]
) -> None:
    loop = road.archiver("away", records=0)
    chore = chore_of(loop)
    clock = iter(range(0, 10_000, 10))
    chore.monotonic = lambda: float(next(clock))
    chore.reader = _Sparing(chore.reader, 9)
    breaks(chore)

    for _ in range(60):
        chore.due(loop.status)
    loop.close()

    assert files(road, "away") == whole


class Unacknowledged:
    """A publisher whose log takes everything and acknowledges nothing."""

    def __init__(self, publisher: Any) -> None:
        self.sent: list[bytes] = []
        self._publisher = publisher

    def send(self, _topic: str, key: bytes, _value: bytes) -> None:
        self.sent.append(key)

    def flush(self, _seconds: float) -> None:
        raise LogAwayError("not acknowledged")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)


def test_while_acknowledgements_are_missing_a_letter_is_sent_once_and_nothing_is_committed(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    send(road, [label(1), b'{"broken', *map(label, range(2, 100))])
    loop = road.archiver("unheard", records=0)
    chore = chore_of(loop)
    clock = iter(range(0, 10_000, 10))
    chore.monotonic = lambda: float(next(clock))
    publisher: Any = Unacknowledged(chore.publisher)
    acknowledging, chore.publisher = chore.publisher, publisher

    for _ in range(60):
        chore.due(loop.status)
    before = chore.reader.committed(0), files(road, "unheard")
    chore.publisher = acknowledging
    chore.due(loop.status)
    after = chore.reader.committed(0), files(road, "unheard")
    loop.close()

    assert publisher.sent == [b"labels-0-1"]
    assert before == (None, {})
    assert after[0] is not None
    assert after[1] != {}


def test_labels_that_came_before_their_partition_moved_are_read_again(road: Road, whole: dict[str, str]) -> None:
    loop = road.archiver("moved", records=0)
    chore = chore_of(loop)
    clock = iter(range(0, 10_000, 10))
    chore.monotonic = lambda: float(next(clock))
    chore.reader = _Moved(_Sparing(chore.reader, 9), at=4)

    for _ in range(40):
        chore.due(loop.status)
    loop.close()

    assert files(road, "moved") == whole


@pytest.fixture
def armed() -> Iterator[None]:
    yield
    failpoints.disarm()


class _Sparing:
    """A reader that gives little at a time."""

    def __init__(self, reader: Any, at_once: int) -> None:
        self._reader, self._at_once = reader, at_once

    def poll(self, timeout_ms: int, max_records: int) -> Any:
        return self._reader.poll(timeout_ms, min(max_records, self._at_once))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class _Moved:
    """A reader whose partitions go and come back in the middle of some poll, after its records were taken."""

    def __init__(self, reader: Any, at: int) -> None:
        self._reader, self._left = reader, at

    def assignment(self) -> Assignment:
        self._left -= 1
        return Assignment(gained=(0, 1), lost=(0, 1)) if self._left == 0 else self._reader.assignment()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)
