"""A circuit breaker (Nygard, *Release It!*): after a failure say so again for a moment instead of waiting again.

A page asks a store many questions one after the other. Without this, each of them would wait out its own time limit before
the page could say that the store is away.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from fraud.errors import StoreError

Answer = TypeVar("Answer")


class Breaker:
    """Passes questions on, but none within `pause_s` seconds after one failed. Shared by threads: the worst race asks once more."""

    def __init__(self, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has failed yet."""
        self._pause_s = pause_s
        self._clock = clock
        self._failed: tuple[float, str] | None = None

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """The answer. Raises StoreError as the question does, or at once with the last one's text during the pause."""
        failed = self._failed
        if failed is not None and self._clock() - failed[0] < self._pause_s:
            raise StoreError(failed[1])
        try:
            answer = question()
        except StoreError as error:
            self._failed = self._clock(), str(error)
            raise
        self._failed = None
        return answer
