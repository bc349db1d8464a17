"""Waiting for servers that are still coming up."""

import time
from collections.abc import Callable

import structlog

from fraud.errors import LogError, StoreError

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two tries."""


def until_up(attempt: Callable[[], None], seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Try until it works or the time is over; then the last error stands. Says once for what it waits."""
    deadline = time.monotonic() + seconds
    is_said = False
    while True:
        try:
            attempt()
        except (LogError, StoreError) as error:
            if time.monotonic() >= deadline:
                raise
            if not is_said:
                log.warning("waiting", seconds=seconds, reason=str(error))
            is_said = True
            sleep(EVERY)
        else:
            return
