"""What --measure says is what the store holds against what the log acknowledged."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fraud.decision import Flag, flag_id, micros
from producer.heartbeats import Heartbeats
from producer.watching import Watch
from storage.flags.flag_store import Minute
from storage.flags.stores import open_store
from tests.builders import transaction
from tests.storage.flags.flag_builders import put

LOG, GROUP = "log-1", "fraud"


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'flags.db'}")
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


def minute(now, **what_matters):
    plain = Minute(
        log_id=LOG,
        group=GROUP,
        partition=0,
        minute=now.replace(second=0),
        up_to_offset=9,
        seen=10,
        decided=10,
        duplicates=0,
        before_policy=0,
        dead={},
        flagged=0,
        spend={},
    )
    return replace(plain, **what_matters)


def flag(now, offset):
    payment = transaction(transaction_id=f"t{'abcdefghij'[offset]}", event_time=now)
    return Flag(
        id=flag_id(payment.user_id, payment.transaction_id, payment.event_time),
        log_id=LOG,
        group=GROUP,
        partition=0,
        offset=offset,
        received_at=now,
        decided_at=now,
        event_time=now,
        user_id=payment.user_id,
        transaction=payment,
        origin="decision",
        severity="high",
        hits=(),
        score=None,
        features={},
        policy="p",
        history_incomplete=False,
        context=(),
    )


def acknowledged(watch, now, count):
    for offset in range(count):
        watch.sending()(0, offset, micros(now))


def test_everything_accounted_for_and_every_flag_timed(store, now):
    watch = Watch(store, LOG, GROUP)
    acknowledged(watch, now, 10)
    put(store, [flag(now, 3), flag(now, 7)], [minute(now, flagged=2, duplicates=1, dead={"schema": 1})])
    watch.start()

    measured = watch.finish()

    assert (measured.acknowledged, measured.accounted, measured.lost) == (10, 10, 0)
    assert (measured.flagged, measured.flags, measured.flags_missing) == (2, 2, 0)
    assert measured.duplicates == 1
    assert measured.dead == {"schema": 1}
    assert measured.timed == 2
    assert 0 <= measured.send_to_readable_ms["p50"] < 60_000


@pytest.mark.parametrize(
    ("counted", "lost", "missing"),
    [
        pytest.param({"seen": 7}, 3, 0, id="three payments that no counter knows"),
        pytest.param({"flagged": 2}, 0, 1, id="a flag that was counted and not stored"),
        pytest.param({"group": "another"}, 10, 0, id="counters of another group say nothing"),
        pytest.param({"log_id": "another"}, 10, 0, id="counters of another log say nothing"),
        pytest.param({"partition": 1}, 10, 0, id="counters of another partition say nothing"),
    ],
)
def test_what_is_missing_is_said(store, now, counted, lost, missing):
    watch = Watch(store, LOG, GROUP)
    acknowledged(watch, now, 10)
    put(store, [flag(now, 3)], [minute(now, **counted)])
    watch.start()

    measured = watch.finish(is_stopped=lambda: True)

    assert measured.lost == lost
    assert measured.flags_missing == missing


def test_nothing_sent_is_nothing_lost(store):
    watch = Watch(store, LOG, GROUP)
    watch.start()

    measured = watch.finish()

    assert (measured.acknowledged, measured.lost, measured.timed) == (0, 0, 0)


def test_flags_of_others_are_not_timed(store, now):
    watch = Watch(store, LOG, GROUP)
    acknowledged(watch, now, 3)
    put(store, [flag(now - timedelta(seconds=1), 8)], [minute(now, seen=3, flagged=1)])
    watch.start()

    measured = watch.finish()

    assert measured.timed == 0


def test_the_producer_beats_while_it_runs_and_once_when_it_leaves(store):
    with Heartbeats(store, "producer@here:1", LOG, GROUP, lambda: {"payments": 3}) as beats:
        beats.beat("running")
        [running] = store.heartbeats()

    [left] = store.heartbeats()
    assert (running.role, running.state, running.facts["payments"]) == ("producer", "running", 3)
    assert left.state == "stopping"


def test_a_store_that_is_away_is_left_alone(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'none' / 'flags.db'}")

    with Heartbeats(store, "producer@here:1", LOG, GROUP, dict) as beats:
        heard = beats.beat("running")

    assert not heard
