"""What a consumer says of itself: counts, latencies, rate, and what it lacks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consumer.deciding import Answer
from consumer.heartbeat import EVERY, HeartbeatChore
from consumer.loop import Loop
from consumer.metrics import Metrics
from consumer.rebuilding import Missing
from consumer.restoring import Restored
from consumer.sink import FlagSink
from consumer.status import RATE_SPAN, Status
from fraud.errors import StoreError
from storage.flags.flag_store import Heartbeat
from tests.builders import NOON, transaction
from tests.consumer.roads import STRICTER, Road


class Clock:
    """Both clocks of a process, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock) -> Status:
    return Status(metrics=Metrics(), now=clock.now, monotonic=clock.monotonic)


def test_counts_add_up(status: Status) -> None:
    status.took(Answer(seen=5, decided=3, duplicates=1, before_policy=1))
    status.took(Answer(seen=2, decided=2))

    facts = status.facts()
    assert [facts[name] for name in ("seen", "decided", "duplicates", "before_policy", "flagged")] == [7, 5, 1, 1, 0]
    assert facts["dead"] == {}


def test_the_rate_is_that_of_the_last_seconds(status: Status, clock: Clock) -> None:
    status.took(Answer(seen=100))
    clock.seconds += RATE_SPAN / 2
    status.took(Answer(seen=50))
    assert status.rate() == 150 / RATE_SPAN

    clock.seconds += RATE_SPAN / 2 + 1
    assert status.rate() == 50 / RATE_SPAN

    clock.seconds += RATE_SPAN
    assert status.rate() == 0


def test_quantiles_are_of_polls_that_held_records(status: Status, clock: Clock) -> None:
    assert status.facts()["decide_ms"] == {}
    for took in range(1, 101):
        with status.timing("decide", 10):
            clock.seconds += took / 1_000
    with status.timing("decide", 0):
        clock.seconds += 60

    quantiles = status.facts()["decide_ms"]
    assert quantiles["p50"] == pytest.approx(50.5, abs=0.1)
    assert quantiles["p99"] == pytest.approx(99, abs=0.2)
    assert status.metrics.registry.get_sample_value("fraud_stage_seconds_count", {"stage": "decide"}) == 100


def test_latency_is_that_of_payments_which_came_while_the_consumer_was_there(status: Status, clock: Clock) -> None:
    before, after = (
        SimpleNamespace(flag=SimpleNamespace(received_at=clock.now() + timedelta(seconds=at), severity="low"))
        for at in (-9, 1)
    )
    clock.seconds += 1.5

    status.took(Answer(flags=[before, after]))  # type: ignore[list-item]

    assert status.facts()["end_to_end_ms"]["p50"] == 500.0


def test_what_a_partition_lacks_is_said_while_it_is_here(status: Status) -> None:
    whole = Restored(next_offset=9, from_checkpoint=None, replayed=0, degraded=None)
    status.gained(0, whole)
    status.gained(1, replace(whole, degraded=Missing(start=3, end=8, reason="gone")))
    assert status.facts()["degraded"] == ["partition 1: offsets 3 to 8 are missing: gone"]

    status.lost(1)
    assert status.facts()["degraded"] == []


def test_what_no_window_reaches_any_more_is_not_missed(status: Status) -> None:
    whole = Restored(next_offset=9, from_checkpoint=None, replayed=0, degraded=None)
    status.gained(0, replace(whole, degraded=Missing(start=3, end=8, reason="gone", until=100)))
    status.gained(1, replace(whole, degraded=Missing(start=3, end=8, reason="gone")))

    status.remembers({0: 99, 1: 1_000, 2: 1_000})
    assert [missed(status, partition) for partition in range(2)] == [5, 5]

    status.remembers({0: 100})
    assert [missed(status, partition) for partition in range(2)] == [0, 5]
    assert status.facts()["degraded"] == ["partition 1: offsets 3 to 8 are missing: gone"]


def missed(status: Status, partition: int) -> float | None:
    return status.metrics.registry.get_sample_value("fraud_degraded_offsets", {"partition": str(partition)})


def test_a_heartbeat_lets_go_of_what_is_no_longer_missed(loop: Loop, clock: Clock) -> None:
    newest = loop.decider.engine.windows(0).newest
    loop.status.gained(0, replace(loop.status.restored[0], degraded=Missing(start=0, end=8, reason="", until=newest)))

    heart_of(loop, clock, Beats()).due(loop.status)

    assert missed(loop.status, 0) == 0


def test_a_pause_says_why_until_the_store_is_back(status: Status) -> None:
    status.paused("store", "no answer")
    assert (status.state, status.facts()["paused_because"]) == ("paused", "no answer")

    status.resumed()
    assert (status.state, status.facts()["paused_because"]) == ("running", None)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    """A consumer that has worked through a small road: two payments, one flag, one dead letter, a second policy."""
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.policy(STRICTER)
    sent = road.send(
        [transaction(amount=500.0, after=1), transaction(transaction_id="x", user_id="v", after=2), b"broken"]
    )
    made = road.consumer(records=sent)
    made.run()
    yield made
    made.close()


def beat_of(loop: Loop) -> Heartbeat:
    assert isinstance(loop.sink, FlagSink)
    (heartbeat,) = loop.sink.flags.heartbeats()
    return heartbeat


def test_a_heartbeat_says_how_the_consumer_is(loop: Loop) -> None:
    heartbeat = beat_of(loop)

    facts = heartbeat.facts
    assert (heartbeat.role, heartbeat.group, heartbeat.state) == ("consumer", "fraud", "stopping")
    assert (facts["seen"], facts["decided"], facts["flagged"], facts["dead"]) == (3, 2, 1, {"not_json": 1})
    assert (facts["lag"], facts["users_in_state"]) == ({"0": 0}, 2)
    assert facts["state_bytes"] > 0
    assert facts["policy"]["rules"] == 2
    assert facts["policy"]["model"] is None
    assert facts["end_to_end_ms"] == {}  # the payments were there before the consumer
    assert loop.status.metrics.registry.get_sample_value("fraud_state_users") == 2


def heart_of(loop: Loop, clock: Clock, store: Any) -> HeartbeatChore:
    assert isinstance(loop.heartbeat, HeartbeatChore)
    return replace(loop.heartbeat, store=store, now=clock.now, monotonic=clock.monotonic, _at=-1e9, _state="")


class Beats:
    """A store that counts heartbeats, or is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.states: list[str] = []
        self._is_away = is_away

    def beat(self, heartbeat: Heartbeat) -> None:
        self.states.append(heartbeat.state)
        if self._is_away:
            raise StoreError("away")


def test_the_heart_beats_every_few_seconds_and_on_every_change(loop: Loop, clock: Clock) -> None:
    beats = Beats()
    heart = heart_of(loop, clock, beats)
    loop.status.state = "running"

    heart.due(loop.status)
    heart.due(loop.status)
    assert beats.states == ["running"]

    clock.seconds += EVERY
    heart.due(loop.status)
    assert beats.states == ["running", "running"]

    loop.status.paused("store", "no answer")
    heart.due(loop.status)
    assert beats.states == ["running", "running", "paused"]


def test_a_store_that_is_away_stops_no_heart(loop: Loop, clock: Clock) -> None:
    beats = Beats(is_away=True)
    heart = heart_of(loop, clock, beats)

    heart.due(loop.status)
    clock.seconds += EVERY
    heart.due(loop.status)

    assert len(beats.states) == 2
