"""Holding a rate: what is due when, how late it was sent, and work that is prepared ahead."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

import numpy as np

_LEAST_SLEEP = 0.0005
"""Seconds; a shorter wait is not worth a system call."""

Item = TypeVar("Item")


class Clock:
    """Real time that can be stopped from a signal handler; tests bring their own."""

    def __init__(self) -> None:
        """Runs."""
        self._stopped = threading.Event()

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait, or until stopped."""
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """Whoever sleeps wakes up, and whoever looks leaves."""
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether everybody should leave."""
        return self._stopped.is_set()


class Pace:
    """The n-th send is due at start + n / rate. Falling behind is made up for: the rate is held on average, and delays are kept."""

    def __init__(self, rate: float, clock: Clock, start: float) -> None:
        """Payments per second, from a moment of the clock on."""
        self._rate = rate
        self._clock = clock
        self._start = start
        self._sent = 0
        self._delays: list[float] = []

    def wait(self) -> bool:
        """Return when the next send is due, or at once when it is late already; False when the clock was stopped."""
        due = self._start + self._sent / self._rate
        early = due - self._clock.now()
        if early > _LEAST_SLEEP:
            self._clock.sleep(early)
        if self._clock.is_stopped:
            return False
        self._delays.append(max(self._clock.now() - due, 0.0))
        self._sent += 1
        return True

    def rate(self) -> float:
        """Sends per second so far; the time of the last send counts to the end of its turn."""
        passed = max(self._clock.now() - self._start, self._sent / self._rate)
        return self._sent / passed if self._sent else 0.0

    def delays_ms(self) -> dict[str, float]:
        """How late sends were: p50, p95, p99 and max in milliseconds."""
        return quantiles_ms(self._delays)


def quantiles_ms(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p95, p99 and max in milliseconds; empty without values."""
    values = np.fromiter(seconds, np.float64) * 1000
    if len(values) == 0:
        return {}
    found = [*np.percentile(values, [50, 95, 99]).tolist(), float(values.max())]
    return {name: round(value, 2) for name, value in zip(("p50", "p95", "p99", "max"), found, strict=True)}


def ahead(items: Iterable[Item], count: int = 2) -> Generator[Item, None, None]:
    """The same items, made by a thread up to `count` before they are asked for. What it raises is raised here."""
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(maxsize=count)
    stop = threading.Event()
    maker = threading.Thread(target=_make, args=(items, ready.put, stop), daemon=True, name="payments-ahead")
    maker.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                if isinstance(error, StopIteration):
                    return
                raise error
            yield item  # type: ignore[misc]  # None only comes with an error
    finally:
        stop.set()
        while maker.is_alive():
            _drain(ready)
            maker.join(0.05)


def _make(
    items: Iterable[Item], put: Callable[[tuple[Item | None, BaseException | None]], None], stop: threading.Event
) -> None:
    try:
        for item in items:
            put((item, None))
            if stop.is_set():
                return
        put((None, StopIteration()))
    except BaseException as error:  # noqa: BLE001  # raised again where the items are used
        put((None, error))


def _drain(ready: "queue.Queue[tuple[Item | None, BaseException | None]]") -> None:
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return
