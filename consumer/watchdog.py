"""The watchdog: ends a process whose loop makes no progress, so that its supervisor starts another and the group moves on."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import structlog

log = structlog.get_logger()

LOOK_EVERY = 1.0
"""Seconds between two looks, fewer where the patience is short."""
FRAMES = 12
"""Calls of the main thread that are told, the innermost last."""


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """Looks at a loop from a thread of its own.

    Only time that this process was awake for counts: one that was frozen goes on where it was.
    """

    turned_at: Callable[[], float]
    """When the loop last went round, waited for a part that is away, or rebuilt a piece of memory (monotonic)."""
    doing: Callable[[], str]
    """The stage that it is in."""
    seconds: float
    """How long it may stay there."""
    monotonic: Callable[[], float] = time.monotonic
    end: Callable[[], None] = lambda: _leave()
    _turn: float = field(default=-1.0)
    _silent: float = 0.0
    _looked_at: float = field(default=-1.0)

    def start(self) -> None:
        """Watch until the process ends."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def look(self) -> None:
        """Once: end the process when the loop has been in the same turn for too long."""
        now, turn = self.monotonic(), self.turned_at()
        if turn != self._turn:
            self._turn, self._silent = turn, 0.0
        else:
            self._silent += min(now - self._looked_at, 2 * self._every)
        self._looked_at = now
        if self._silent >= self.seconds:
            log.error("stalled", stage=self.doing(), seconds=round(self._silent, 1), stack=_main_thread())
            self.end()

    @property
    def _every(self) -> float:
        return min(LOOK_EVERY, self.seconds / 4)

    def _watch(self) -> None:
        while True:
            time.sleep(self._every)
            self.look()


def _leave() -> NoReturn:
    """At once: a main thread that is stuck can neither commit nor clean up, and nothing it holds is needed afterwards."""
    sys.stderr.flush()
    os._exit(1)


def _main_thread() -> str:
    """Where the main thread is, in one line."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 # there is no other way
    calls = traceback.extract_stack(frame)[-FRAMES:] if frame is not None else []
    return " > ".join(f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in calls)
