"""Decide, store, publish, commit, checkpoint: whatever happens in between, the same flags, once."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.sink import FlagSink
from fraud.errors import PolicyError, StateError, StoreError
from fraud.policy import encode
from storage.logs.log import FLAGS, POLICIES
from storage.policies import read_timeline
from tests.builders import NOON, transaction
from tests.consumer.roads import RULES, STRICTER, Road


def payments(count: int, first: int = 0) -> list[Any]:
    """Payments of seven users, some large, now and then a broken message or a repeat."""
    made: list[Any] = []
    for number in range(first, first + count):
        payment = transaction(
            transaction_id=f"t-{number}",
            user_id=f"u-{number % 7}",
            event_time=NOON + timedelta(seconds=number * 20),
            amount=float(number * 37 % 160),
            merchant_id=f"m-{number % 5}",
            channel="pos",
        )
        made.append(payment)
        if number % 11 == 0:
            made.append(b'{"transaction_id": "broken')
        if number % 13 == 0:
            made.append(payment)
    return made


@pytest.fixture
def uninterrupted(tmp_path: Path) -> Road:
    road = Road(tmp_path / "uninterrupted")
    send_all(road)
    road.consume(records=count_all())
    return road


def send_all(road: Road) -> None:
    """Some payments before the first policy, then two policies."""
    road.send(payments(12), seconds=21)
    road.policy()
    road.send(payments(40, first=12), seconds=21)
    road.policy(STRICTER)
    road.send(payments(30, first=52), seconds=21)


def count_all() -> int:
    return len(payments(12)) + len(payments(40, first=12)) + len(payments(30, first=52))


def test_every_record_is_accounted_for_once(uninterrupted: Road) -> None:
    minutes = uninterrupted.minutes()
    total = {
        name: sum(minute[name] for minute in minutes) for name in ("seen", "decided", "duplicates", "before_policy")
    }
    dead = sum(sum(minute["dead"].values()) for minute in minutes)

    assert total["seen"] == count_all() == total["decided"] + total["duplicates"] + total["before_policy"] + dead
    assert dead == len(uninterrupted.dead())
    assert sum(minute["flagged"] for minute in minutes) == len(uninterrupted.flags()) > 10
    assert len(uninterrupted.flags()) == sum(
        1 for partition in range(2) for _ in uninterrupted.log.read(FLAGS, partition, 0)
    )


@pytest.mark.parametrize("at_once", [2, 50])
@pytest.mark.parametrize("cuts", [(30,), (1, 40, 41, 80)], ids=["one stop", "many stops"])
@pytest.mark.parametrize("with_checkpoints", [True, False], ids=["from checkpoints", "from the log alone"])
def test_stopping_and_starting_changes_nothing(
    tmp_path: Path, uninterrupted: Road, at_once: int, cuts: tuple[int, ...], with_checkpoints: bool
) -> None:
    road = Road(tmp_path / "stopped")
    send_all(road)

    seen = 0
    for stop in [*cuts, count_all()]:
        if stop <= seen:
            continue
        loop = road.consume(records=stop - seen, at_once=at_once)
        seen += loop.status.seen
        if not with_checkpoints:
            for file in Path(road.settings.data_dir).glob("checkpoints/*/*"):
                file.unlink()

    assert seen == count_all()
    assert road.flags() == uninterrupted.flags()
    assert road.minutes() == uninterrupted.minutes()


def test_work_that_was_stored_but_not_committed_is_repeated_without_a_trace(
    tmp_path: Path, uninterrupted: Road
) -> None:
    road = Road(tmp_path / "died")
    send_all(road)
    dying = road.consumer(records=count_all(), at_once=20)
    dying.reader = _DiesAtCommit(dying.reader, survives=2)

    with pytest.raises(KeyboardInterrupt):
        dying.run()
    dying.close()
    road.consume(records=count_all() - 2 * 20)

    assert road.flags() == uninterrupted.flags()
    assert road.minutes() == uninterrupted.minutes()


def test_nothing_is_committed_while_the_store_is_down(tmp_path: Path, uninterrupted: Road) -> None:
    road = Road(tmp_path / "down")
    send_all(road)
    loop = road.consumer(records=count_all())
    away = _DownFor(road.store, tries=2)
    loop.sink = FlagSink(away, road.log.publisher())
    committed = []
    away.on_try = lambda: committed.append([loop.reader.committed(partition) for partition in range(2)])
    loop.stopping = _NoWaiting()

    loop.run()
    loop.close()

    assert committed[:2] == [[None, None], [None, None]]
    assert road.flags() == uninterrupted.flags()


def test_an_unencodable_flag_becomes_a_dead_letter_and_its_neighbours_are_stored(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.policy(RULES.replace("EUR: 100", "EUR: 100, JPY: 100"))
    more_than_stores_can_sum = 950_000_000_000_000.0
    sent = road.send(
        [
            transaction(transaction_id="t-0", amount=500.0),
            transaction(transaction_id="t-1", amount=more_than_stores_can_sum, currency="JPY", after=1_000),
            transaction(transaction_id="t-2", amount=500.0, after=2_000),
        ],
        seconds=1_000,
    )

    road.consume(records=sent)

    assert {flag["transaction"]["transaction_id"] for flag in road.flags()} == {"t-0", "t-2"}
    assert [letter["reason"] for letter in road.dead()] == ["unencodable"]
    minutes = road.minutes()
    dead = [minute["dead"] for minute in minutes if minute["dead"]]
    assert {name: sum(minute[name] for minute in minutes) for name in ("seen", "decided", "flagged")} == {
        "seen": 3,
        "decided": 2,
        "flagged": 2,
    }
    assert dead == [{"unencodable": 1}]


def test_a_policy_of_another_engine_ends_the_consumer_before_the_first_payment_it_rules(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    before = road.send(payments(20), seconds=21)
    road.clock += 1_000_000
    publish_for_another_engine(road)
    road.send(payments(20, first=20), seconds=21)

    loop = road.consumer(records=10_000)
    with pytest.raises(PolicyError, match="engine 999"):
        loop.run()
    committed = loop.reader.committed(0)
    loop.close()

    assert committed == before


def test_a_checkpoint_of_another_topic_is_refused_before_the_group_is_joined(tmp_path: Path) -> None:
    road = Road(tmp_path / "one")
    road.policy()
    sent = road.send(payments(20), seconds=21)
    road.consume(records=sent)
    other = Road(tmp_path / "two")
    (tmp_path / "two" / "checkpoints").symlink_to(tmp_path / "one" / "checkpoints")
    other.policy()
    other.send(payments(20), seconds=21)

    with pytest.raises(
        StateError, match=r"is of the log .*; choose another FRAUD_GROUP, or remove .*/checkpoints/fraud$"
    ):
        other.consumer(records=sent)

    assert other.flags() == []
    assert road.consume(records=0).status.restored[0].from_checkpoint is not None, "and left where it was"


def publish_for_another_engine(road: Road) -> None:
    timeline = read_timeline(road.log)
    assert timeline.latest is not None
    other = timeline.latest.with_engine(999).rebased(timeline.latest_offset)
    publisher = road.log.publisher(lambda: road.clock)
    publisher.send(POLICIES, None, encode(other))
    publisher.close()


class _DiesAtCommit:
    """A reader whose process dies before a commit."""

    def __init__(self, reader: Any, survives: int) -> None:
        self._reader, self._left = reader, survives

    def commit(self, next_offsets: Any) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self._reader.commit(next_offsets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class _DownFor:
    """A store that is away for some tries."""

    def __init__(self, store: Any, tries: int) -> None:
        self._store, self._tries = store, tries
        self.on_try: Any = None

    def store(self, flags: Any, minutes: Any) -> None:
        self.on_try()
        if self._tries:
            self._tries -= 1
            raise StoreError("away")
        self._store.store(flags, minutes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _NoWaiting(threading.Event):
    """Nobody waits between two tries."""

    def wait(self, timeout: float | None = None) -> bool:
        return False


def test_a_shadow_rule_is_counted_where_nothing_else_fires_and_flags_nothing(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.policy(RULES.replace("severity: medium", "severity: medium, mode: shadow"))
    sent = road.send(
        [transaction(transaction_id=f"t-{number}", amount=500.0, after=number * 1_000) for number in range(5)],
        seconds=1_000,
    )

    loop = road.consume(records=sent)

    assert road.flags() == []
    assert (
        loop.status.metrics.registry.get_sample_value(
            "fraud_rule_hits_total", {"rule": "high-amount", "mode": "shadow"}
        )
        == 5
    )
