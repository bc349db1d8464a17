"""The rate is held on average, delays are kept, and work ahead never hides an error."""

import threading

import pytest

from producer.pacing import Clock, Pace, ahead, quantiles_ms
from tests.producer.clocks import StillClock


def test_sends_are_spread_evenly():
    clock = StillClock()
    pace = Pace(4.0, clock, clock.now())

    moments = []
    for _ in range(5):
        pace.wait()
        moments.append(clock.now())

    assert moments == [1000.0, 1000.25, 1000.5, 1000.75, 1001.0]
    assert pace.rate() == pytest.approx(4.0)
    assert pace.delays_ms()["max"] == 0


def test_falling_behind_is_made_up_for_and_remembered():
    clock = StillClock()
    pace = Pace(10.0, clock, clock.now())
    pace.wait()

    clock.pass_by(1.0)
    for _ in range(19):
        pace.wait()

    assert clock.now() == pytest.approx(1001.9)
    assert pace.rate() == pytest.approx(10.0)
    assert pace.delays_ms()["max"] == pytest.approx(900.0)


def test_too_slow_shows_in_the_rate():
    clock = StillClock()
    pace = Pace(100.0, clock, clock.now())

    for _ in range(10):
        pace.wait()
        clock.pass_by(1.0)

    assert pace.rate() == pytest.approx(1.0)


def test_a_stopped_clock_ends_the_wait():
    clock = StillClock()
    pace = Pace(1.0, clock, clock.now())

    assert pace.wait()
    clock.stop()

    assert not pace.wait()


def test_the_real_clock_wakes_whoever_sleeps_when_stopped():
    clock = Clock()
    sleeper = threading.Thread(target=clock.sleep, args=(60.0,))
    sleeper.start()

    clock.stop()
    sleeper.join(10.0)

    assert not sleeper.is_alive()
    assert clock.is_stopped


def test_ahead_gives_the_same_items_in_order():
    assert list(ahead(iter(range(100)))) == list(range(100))


def test_ahead_raises_what_was_raised_ahead():
    def broken():
        yield 1
        raise ValueError("no more")

    items = ahead(broken())

    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_ahead_does_not_go_on_when_nobody_listens():
    made: list[int] = []

    def endless():
        while True:
            made.append(len(made))
            yield made[-1]

    items = ahead(endless())
    next(items)
    items.close()
    count = len(made)

    assert count < 10
    assert "payments-ahead" not in {thread.name for thread in threading.enumerate()}


def test_quantiles_of_nothing_are_nothing():
    assert quantiles_ms([]) == {}
    assert quantiles_ms([0.001] * 99 + [1.0])["max"] == 1000.0
