"""A clock that moves only when somebody sleeps or a test says so."""

from producer.pacing import Clock


class StillClock(Clock):
    def __init__(self, now: float = 1_000.0) -> None:
        super().__init__()
        self._now = now

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds

    def pass_by(self, seconds: float) -> None:
        self._now += seconds
