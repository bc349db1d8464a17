"""Processes that answer nothing for a while, with all their connections left open."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.server import wait_until


@contextmanager
def frozen(processes: Callable[[], list[int]]) -> Iterator[None]:
    """Stop the processes within the block; the first is stopped before the others are asked for, so it starts no more of them."""
    stopped: list[int] = []
    try:
        while new := [pid for pid in processes() if pid not in stopped]:
            _signal(new[0], signal.SIGSTOP)
            stopped.append(new[0])
            # Under load a signal takes its time, and threads go on answering until one of them has met it.
            wait_until(lambda: not is_running(stopped[-1]), f"process {stopped[-1]} to stop")
        yield
    finally:
        for pid in stopped:
            _signal(pid, signal.SIGCONT)


def is_running(pid: int) -> bool:
    """Whether any thread of it is neither stopped nor over."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        states = [(thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in threads]
    except OSError:
        return Path(f"/proc/{pid}").exists()
    return any(state not in "TtZX" for state in states)


def _signal(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return
