"""The product's commands as processes of their own, as an operator runs them; what each says goes to a file."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.server import die_with_parent

FRAUD = (sys.executable, "-m", "cli.main")


@dataclass(slots=True)
class Commands:
    """Whatever still runs at the end of the block is ended, the last started first."""

    environment: Mapping[str, str]
    """Settings of the product; no other of its variables is passed on."""
    folder: Path
    """Where processes run and their output lies."""
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def run(self, *arguments: str, seconds: float = 120.0) -> str:
        """One command to its end; the answer is what it printed. RuntimeError with what it said when it fails."""
        done = self._done(arguments, seconds)
        if done.returncode != 0:
            raise RuntimeError(f"fraud {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ask(self, *arguments: str, seconds: float = 120.0) -> tuple[int, str]:
        """One command whose exit code is an answer: the code, and what it printed."""
        done = self._done(arguments, seconds)
        return done.returncode, done.stdout or done.stderr

    def start(self, name: str, *arguments: str, **settings: str) -> None:
        """Start a command under a name, which may have been used before; with settings of its own, such as `member`."""
        own = {f"FRAUD_{setting.upper()}": value for setting, value in settings.items()}
        with self.output(name).open("ab") as output:
            self._running[name] = subprocess.Popen(
                [*FRAUD, *arguments],
                cwd=self.folder,
                env={**self._whole_environment(), **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )

    def stop(self, name: str, seconds: float = 30.0) -> int:
        """Ask a process to leave (SIGTERM); its exit code."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def is_over(self, name: str) -> bool:
        """Whether a process has ended well. RuntimeError with the last it said when it failed."""
        code = self._running[name].poll()
        if code:
            raise RuntimeError(f"{name} ended with {code}: {self.tail(name)}")
        return code == 0

    def pid(self, name: str) -> int:
        """Process id of a command that was started."""
        return self._running[name].pid

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines that a process wrote."""
        return "\n".join(self.output(name).read_text(errors="replace").splitlines()[-lines:])

    def output(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)

    def _done(self, arguments: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*FRAUD, *arguments],
            cwd=self.folder,
            env=self._whole_environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def _whole_environment(self) -> dict[str, str]:
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("FRAUD_")}
        return {**foreign, "PYTHONPATH": str(Path(__file__).parents[2]), **self.environment}
