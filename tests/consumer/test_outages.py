"""While log or store are away a consumer waits where it is: no step is skipped, none comes too early, and it says why."""

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from consumer.heartbeat import HeartbeatChore
from consumer.loop import PAUSES, Loop
from consumer.policies import PolicyReader, Scorers
from consumer.sink import TRY_SECONDS
from dashboard.status import SILENT_AFTER
from fraud.errors import LogAwayError, LogError, StoreError
from storage.flags.flag_store import Heartbeat
from storage.logs.kafka_reader import ANSWER_MS
from storage.logs.log import FLAGS
from tests.builders import NOON, transaction
from tests.consumer.roads import STRICTER, Road
from tests.services.full_disk import no_file_longer_than

PAYMENTS = [
    transaction(
        transaction_id=f"t-{number}",
        user_id=f"u-{number % 7}",
        event_time=NOON + timedelta(seconds=number * 20),
        amount=float(number * 37 % 160),
    )
    for number in range(80)
]


def travelled(folder: Path) -> Road:
    """Payments under two policies."""
    road = Road(folder)
    road.policy()
    road.send(PAYMENTS[:40], seconds=21)
    road.policy(STRICTER)
    road.send(PAYMENTS[40:], seconds=21)
    return road


class Away:
    """A part whose named calls meet an outage: each of their first tries fails, before or after its work was done."""

    def __init__(self, part: Any, calls: dict[str, int], *, after: bool = False, error: type[Exception] = LogAwayError):
        self._part, self._left, self._after, self._error = part, dict(calls), after, error

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        return real if name not in self._left else lambda *given: self._call(name, real, *given)

    def _call(self, name: str, real: Callable[..., Any], *given: Any) -> Any:
        if self._left[name] and not self._after:
            self._left[name] -= 1
            raise self._error("away")
        answer = real(*given)
        if self._left[name]:
            self._left[name] -= 1
            raise self._error("away")
        return answer


class NoWaiting(threading.Event):
    """Nobody waits between two tries; what is to happen then may be given."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def wait(self, timeout: float | None = None) -> bool:
        self._meanwhile()
        return False


def run(loop: Loop) -> None:
    try:
        loop.run()
    finally:
        loop.close()


def of_reader(*calls: str) -> Callable[[Loop], None]:
    def breaks(loop: Loop) -> None:
        loop.reader = Away(loop.reader, dict.fromkeys(calls, 3))

    return breaks


def of_publisher(*, after: bool) -> Callable[[Loop], None]:
    def breaks(loop: Loop) -> None:
        sink: Any = loop.sink
        sink.publisher = Away(sink.publisher, {"flush": 3}, after=after)

    return breaks


def of_policies(loop: Loop) -> None:
    loop.policies.source = Away(loop.policies.source, {"bounds": 3, "read": 3})


def of_restorer(loop: Loop) -> None:
    restorer: Any = loop.restorer
    object.__setattr__(restorer, "source", Away(restorer.source, {"bounds": 3}))


class BreathesAndFails:
    """A restorer that gives signs of life before it meets the outage, three times for each partition."""

    def __init__(self, restorer: Any) -> None:
        self._restorer, self._left = restorer, {0: 3, 1: 3}

    def restore(self, partition: int, committed: int | None) -> Any:
        self._restorer.alive()
        if self._left[partition]:
            self._left[partition] -= 1
            raise LogAwayError("away")
        return self._restorer.restore(partition, committed)


def of_restorer_while_others_deliver(loop: Loop) -> None:
    restorer: Any = BreathesAndFails(loop.restorer)
    loop.restorer = restorer


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(of_reader("commit"), id="at a commit"),
        pytest.param(of_reader("committed"), id="when a partition comes"),
        pytest.param(of_restorer, id="in the middle of a restore"),
        pytest.param(of_restorer_while_others_deliver, id="in a restore, when another partition delivers already"),
        pytest.param(of_policies, id="at a look at the policies, with records in hand"),
        pytest.param(of_publisher(after=False), id="at an acknowledgement that does not come"),
        pytest.param(of_publisher(after=True), id="at an acknowledgement that is lost"),
    ],
)
def test_an_outage_of_the_log_costs_nothing_wherever_it_begins(tmp_path: Path, breaks: Callable[[Loop], None]) -> None:
    whole, road = travelled(tmp_path / "whole"), travelled(tmp_path / "away")
    whole.consume(records=len(PAYMENTS))
    loop = road.consumer(records=len(PAYMENTS), at_once=20)
    breaks(loop)
    states: list[tuple[str, Any]] = []
    loop.stopping = NoWaiting(lambda: states.append((loop.status.state, loop.status.paused_because)))

    run(loop)

    assert set(states) == {("paused", "away")}
    assert road.flags() == whole.flags()
    assert road.minutes() == whole.minutes()
    published = [one for partition in range(2) for one in road.log.read(FLAGS, partition, 0)]
    assert len(published) == len(road.flags()) > 10


class Heard:
    """A store that notes what is said of the process, and answers otherwise like the one it stands for."""

    def __init__(self, store: Any) -> None:
        self.said: list[tuple[str, Any]] = []
        self._store = store

    def beat(self, heartbeat: Heartbeat) -> None:
        self.said.append((heartbeat.state, heartbeat.facts["paused_because"]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def heard(loop: Loop) -> Heard:
    """Ten seconds pass between any two beats."""
    assert isinstance(loop.heartbeat, HeartbeatChore)
    ticks = count(step=10)
    store = Heard(loop.heartbeat.store)
    loop.heartbeat = replace(loop.heartbeat, store=store, monotonic=lambda: float(next(ticks)))
    return store


def of_archive_folder(loop: Loop) -> None:
    sink: Any = loop.sink
    sink.files = Away(sink.files, {"write": 3}, error=StoreError)


@pytest.mark.parametrize(
    ("role", "breaks"),
    [
        pytest.param("consumer", of_publisher(after=False), id="for an acknowledgement"),
        pytest.param("consumer", of_reader("commit"), id="for a commit"),
        pytest.param("archive", of_reader("commit"), id="for a commit of the archive"),
        pytest.param("archive", of_archive_folder, id="for the archive's folder"),
    ],
)
def test_who_waits_goes_on_saying_for_what(tmp_path: Path, role: str, breaks: Callable[[Loop], None]) -> None:
    road = travelled(tmp_path)
    loop = (road.consumer if role == "consumer" else partial(road.archiver, "archive"))(records=len(PAYMENTS))
    breaks(loop)
    store = heard(loop)
    loop.stopping = NoWaiting()

    run(loop)

    assert store.said.count(("paused", "away")) == 3
    assert store.said[-1] == ("stopping", None)


def test_a_store_that_is_away_as_well_keeps_nobody_from_waiting_for_the_log(tmp_path: Path) -> None:
    road = travelled(tmp_path)
    loop = road.consumer(records=len(PAYMENTS))
    of_publisher(after=False)(loop)
    assert isinstance(loop.heartbeat, HeartbeatChore)
    loop.heartbeat.store = Away(road.store, {"beat": 1_000}, error=StoreError)
    loop.stopping = NoWaiting()

    run(loop)

    assert len(road.flags()) > 10


def test_the_lag_is_not_asked_of_a_log_that_is_away(tmp_path: Path) -> None:
    loop = travelled(tmp_path).consumer(records=len(PAYMENTS))
    loop.reader = Away(loop.reader, {"commit": 3})
    asked: list[str | None] = []
    assert isinstance(loop.heartbeat, HeartbeatChore)
    reader: Any = loop.heartbeat.reader
    reader = Asked(reader, lambda: asked.append(loop.status.waits_for))
    heard(loop)
    loop.heartbeat = replace(loop.heartbeat, reader=reader)
    loop.stopping = NoWaiting()

    run(loop)

    assert set(asked) == {None}


class Asked:
    """A reader that says when it is asked for the ends of partitions."""

    def __init__(self, reader: Any, on_ask: Callable[[], None]) -> None:
        self._reader, self._on_ask = reader, on_ask

    def end_offsets(self, partitions: Any) -> Any:
        self._on_ask()
        return self._reader.end_offsets(partitions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(TRY_SECONDS, id="an acknowledgement"),
        pytest.param(ANSWER_MS / 1e3, id="a commit"),
    ],
)
def test_one_try_and_the_pause_after_it_are_shorter_than_a_silence_that_the_dashboard_reports(seconds: float) -> None:
    assert seconds + PAUSES[-1] < SILENT_AFTER.total_seconds()


def test_a_publish_is_tried_for_no_longer_than_that(tmp_path: Path) -> None:
    loop = travelled(tmp_path).consumer(records=len(PAYMENTS))
    sink: Any = loop.sink
    sink.publisher = publisher = Patient(sink.publisher)

    run(loop)

    assert set(publisher.patience) == {TRY_SECONDS}


class Patient:
    """A publisher that notes for how long its acknowledgements are waited for."""

    def __init__(self, publisher: Any) -> None:
        self.patience: list[float] = []
        self._publisher = publisher

    def flush(self, seconds: float = math.inf) -> None:
        self.patience.append(seconds)
        self._publisher.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)


def test_what_the_log_refuses_for_good_ends_the_consumer(tmp_path: Path) -> None:
    loop = travelled(tmp_path).consumer(records=len(PAYMENTS))
    loop.reader = Away(loop.reader, {"commit": 1}, error=LogError)

    with pytest.raises(LogError, match="away"):
        run(loop)

    assert loop.status.state == "failed"


def test_a_log_that_stays_away_ends_the_consumer(tmp_path: Path) -> None:
    loop = travelled(tmp_path).consumer(records=len(PAYMENTS))
    loop.reader = Away(loop.reader, {"commit": 1_000})
    loop.stopping = NoWaiting()
    loop.log_patience = 0.0

    with pytest.raises(LogAwayError):
        run(loop)


def test_a_consumer_that_is_told_to_stop_does_not_wait_for_the_log(tmp_path: Path) -> None:
    loop = travelled(tmp_path).consumer(records=len(PAYMENTS))
    loop.reader = Away(loop.reader, {"commit": 1_000})
    loop.stopping = NoWaiting(lambda: loop.stopping.set())

    with pytest.raises(LogAwayError):
        run(loop)


class Told:
    """A part that notes what is asked of it, and meets an outage at some calls: there the process is told to stop."""

    def __init__(self, part: Any, told: list[str], stopping: threading.Event, *away: str) -> None:
        self._part, self._told, self._stopping, self._away = part, told, stopping, away

    def __getattr__(self, name: str) -> Any:
        self._told.append(name)
        if name in self._away:
            self._stopping.set()
            raise LogAwayError("away")
        return getattr(self._part, name)


def test_leaving_in_an_outage_waits_for_no_acknowledgement_and_no_chore_and_leaves_the_group(tmp_path: Path) -> None:
    loop = travelled(tmp_path).consumer(records=len(PAYMENTS))
    told: list[str] = []
    sink: Any = loop.sink
    sink.publisher = Told(sink.publisher, told, loop.stopping, "flush", "let_go")
    loop.reader = Told(loop.reader, told, loop.stopping)
    chores: list[Any] = [Told(chore, told, loop.stopping) for chore in loop.chores]
    loop.chores = chores

    with pytest.raises(LogAwayError):
        run(loop)

    assert told[told.index("flush") :] == ["flush", "let_go", "close"]
    assert loop.status.state == "failed"


def scorer(model_id: str) -> Any:
    """No policy of these tests names a model."""
    raise AssertionError(model_id)


def test_a_look_that_failed_is_none(tmp_path: Path) -> None:
    road = travelled(tmp_path)
    source: Any = Away(road.log, {"read": 1})
    source.embedded = False
    policies = PolicyReader(source=source, scorers=Scorers(scorer), monotonic=lambda: 1_000.0)

    with pytest.raises(LogAwayError):
        policies.look()
    policies.look()

    assert len(policies.timeline) == 2


def test_a_full_disk_of_the_log_is_waited_for(tmp_path: Path) -> None:
    whole, road = travelled(tmp_path / "whole"), travelled(tmp_path / "full")
    for one in (whole, road):
        one.send([b"x" * 400_000])  # so that the log's file is longer than the store's will be
    whole.consume(records=len(PAYMENTS) + 1)
    loop = road.consumer(records=len(PAYMENTS) + 1, at_once=20)
    room = (tmp_path / "full" / "log" / "log.sqlite-wal").stat().st_size
    limit = no_file_longer_than(room)
    reasons: list[str | None] = []

    def make_room() -> None:
        reasons.append(loop.status.paused_because)
        limit.__exit__(None, None, None)

    loop.stopping = NoWaiting(make_room)

    limit.__enter__()
    run(loop)

    assert len(reasons) == 1
    assert "log.sqlite" in str(reasons[0])
    assert road.flags() == whole.flags()
    assert road.minutes() == whole.minutes()
