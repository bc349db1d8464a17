"""Consumers as processes of their own, kept alive as an orchestrator would: whoever ends is started again at once.

An end that nobody asked for is a failure, kept with the process's last lines.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.road.commands import FRAUD
from tests.services.server import die_with_parent

LINES, LENGTH = 4, 900
LEFT = (0, -signal.SIGTERM)
"""How a member that was asked to leave ends; by the signal itself while it still starts and holds nothing."""
ARCHIVE = "archive"
"""Name of the one process that archives instead of deciding for the store."""
ROOT = Path(__file__).parents[2]


@dataclass(slots=True, kw_only=True)
class Member:
    """One consumer process."""

    name: str
    process: "subprocess.Popen[bytes]"
    started_at: float
    """Monotonic."""
    written_from: int = 0
    """Bytes that earlier lives under this name had written."""
    failpoints: str = ""
    is_killed: bool = False
    """By the driver."""
    is_leaving: bool = False
    is_frozen: bool = False

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid


@dataclass(slots=True, kw_only=True)
class Died:
    """A process that ended at a failpoint, before anybody else ended it."""

    name: str
    failpoints: str
    at: float
    """Seconds since the epoch."""


@dataclass(slots=True)
class Fleet:
    """Starts, watches and ends consumers. Used by one thread: a process must not outlive the thread that started it."""

    environment: Mapping[str, str]
    folder: Path
    members: dict[str, Member] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    died: list[Died] = field(default_factory=list)
    restarts: int = 0
    next_failpoints: Callable[[str], str] = lambda _name: ""
    """What a member that is started again is armed with."""

    def start(self, name: str, *, failpoints: str = "") -> Member:
        """One more process under a name; one that begins with `static`, and the archive, is a fixed member of its group."""
        is_fixed = name.startswith("static") or name == ARCHIVE
        own = {"FRAUD_FAILPOINTS": failpoints} | ({"FRAUD_MEMBER": name} if is_fixed else {})
        with self.output(name).open("ab") as output:
            written_from = output.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [*FRAUD, ARCHIVE if name == ARCHIVE else "consume", "--wait", "120"],
                cwd=self.folder,
                env={**_plain_environment(), **self.environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        self.members[name] = Member(
            name=name,
            process=process,
            started_at=time.monotonic(),
            written_from=written_from,
            failpoints=failpoints,
        )
        return self.members[name]

    def tend(self) -> None:
        """Look after everybody: whoever has ended is written down and started again."""
        for name, member in list(self.members.items()):
            code = member.process.poll()
            if code is not None:
                self._ended(name, member, code)

    def kill(self, name: str) -> None:
        """As a crash would; started again by the next `tend`. One that has just ended by itself was not killed."""
        member = self.members[name]
        if member.process.poll() is None:
            member.process.kill()
            member.is_killed = member.process.wait() == -signal.SIGKILL

    def freeze(self, name: str) -> None:
        """Stop it where it stands, with its connections open."""
        self.members[name].is_frozen = True
        self.members[name].process.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self.members[name].is_frozen = False
        self.members[name].process.send_signal(signal.SIGCONT)

    def leave(self, name: str) -> None:
        """Ask it to leave (SIGTERM); it is not started again."""
        self.members[name].is_leaving = True
        self.members[name].process.terminate()

    def awake(self) -> list[str]:
        """Consumers that run and are meant to."""
        members = [one for one in self.members.values() if one.name != ARCHIVE]
        return [one.name for one in members if not one.is_frozen and not one.is_leaving]

    def end(self, seconds: float = 60.0) -> None:
        """Everybody leaves; whoever does not leave well is a failure."""
        for member in self.members.values():
            if member.is_frozen:
                self.thaw(member.name)
            self.leave(member.name)
        for member in list(self.members.values()):
            try:
                code = member.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.failures.append(f"{member.name} did not leave within {seconds:.0f} s: {self.tail(member.name)}")
                member.process.kill()
                code = member.process.wait()
            self._ended(member.name, member, code)

    def tail(self, name: str) -> str:
        """The last lines it wrote."""
        return " / ".join(self.output(name).read_text(errors="replace").splitlines()[-LINES:])[-LENGTH:]

    def output(self, name: str) -> Path:
        """Where it writes."""
        return self.folder / f"{name}.log"

    def _ended(self, name: str, member: Member, code: int) -> None:
        del self.members[name]
        if member.is_leaving and code in LEFT:
            return
        if _is_own_doing(member, code):
            self.died.append(Died(name=name, failpoints=member.failpoints, at=time.time()))
        elif not member.is_killed:
            self.failures.append(f"{name} ended with {code}: {self.tail(name)}")
        if not member.is_leaving:
            self.restarts += 1
            self.start(name, failpoints=self.next_failpoints(name))


def _is_own_doing(member: Member, code: int) -> bool:
    """Whether it ended at its failpoint, before anybody else ended it."""
    by_kill = code == -signal.SIGKILL and not member.is_killed and "=kill" in member.failpoints
    return by_kill or (code == 1 and "=raise" in member.failpoints)


def _plain_environment() -> dict[str, str]:
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("FRAUD_")}
    return {**foreign, "PYTHONPATH": str(ROOT)}
