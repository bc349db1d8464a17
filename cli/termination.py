"""How processes end: ours on SIGTERM, as service managers send it, as on Ctrl-C; those we started when they are asked to."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """Ask a process to leave, and make it after some seconds; nothing for one that is gone."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
