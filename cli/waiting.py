"""Waiting for servers that are still coming up."""

import time
from collections.abc import Callable

from fraud.errors import LogError, StoreError

EVERY = 1.0
"""Seconds between two tries."""


def until_up(attempt: Callable[[], None], seconds: float) -> None:
    """Try until it works or the time is over; then the last error stands."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except (LogError, StoreError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(EVERY)
        else:
            return
