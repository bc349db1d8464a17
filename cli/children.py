"""Commands of ours as processes of their own: started, watched, and asked to leave in reverse order."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.termination import end
from fraud.errors import FraudError

STOP = 20.0
"""Seconds that a process has to leave cleanly."""
LOOK_EVERY = 0.5


def beside(module: str) -> "subprocess.Popen[bytes]":
    """Run a module of ours beside this process, in silence; it ends by itself."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", module],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@dataclass(slots=True)
class Children:
    """Processes of one command; each writes what it says to a file of its own."""

    environment: Mapping[str, str]
    logs: Path
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Run `fraud` with these arguments."""
        with self._log(name).open("ab") as output:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own interpreter and command
                [sys.executable, "-m", "cli.main", *arguments],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is the parent's to pass on, in order
            )

    def check(self) -> None:
        """Raise FraudError when one of them has ended by itself, with the last thing it said."""
        for name, process in self._running.items():
            if process.poll() is not None:
                lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
                said = lines[-1] if lines else f"status {process.returncode}"
                raise FraudError(f"the {name} ended by itself: {said} (more in {self._log(name)})")

    def wait(self) -> None:
        """Until one of them ends by itself; Ctrl-C comes through as KeyboardInterrupt."""
        while True:
            self.check()
            time.sleep(LOOK_EVERY)

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """The last started leaves first."""
        for process in reversed(list(self._running.values())):
            end(process, STOP)

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"
