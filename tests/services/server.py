"""A real server under test: on a port of its own, waited for, known to be ours, and stopped by its own process id."""

import ctypes
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Below the ports that systems hand to outgoing connections: none of those can take a port between our probe and its use.
PORTS = range(15_000, 32_000)
LISTENING = "0A"
DIE_WITH_PARENT = 1


class Unavailable(Exception):
    """A component that this machine does not have; its text says what is missing and how to get it."""


@contextmanager
def free_port() -> Iterator[int]:
    """Reserve a port of 127.0.0.1 against every other test run of this machine until the block ends.

    A probe alone is not enough: two runs that probe at once are given the same port. The lock lasts as long as the
    server.
    """
    folder = Path(tempfile.gettempdir()) / f"fraudstream-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for _attempt in range(1_000):
        port = random.choice(PORTS)
        with (folder / str(port)).open("w") as lock:
            if _locked(lock.fileno()) and _is_unused(port):
                yield port
                return
    raise Unavailable(f"no free port between {PORTS.start} and {PORTS.stop}")


@contextmanager
def one_at_a_time(lock_file: Path) -> Iterator[None]:
    """Let one process of this machine at a time into the block, for caches that runs share."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0, every: float = 0.02) -> None:
    """Look `every` so many seconds until a condition holds; AssertionError naming `what` when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(every)


class Server:
    """One process that we started; its output goes to a file, whose tail every error shows."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Describe the server; `start` starts it."""
        self.name = name
        self.command = list(command)
        self.folder = folder
        self.environment = {**os.environ, **(environment or {})}
        self.output = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id; RuntimeError when it is not running."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    def start(self, port: int, is_ready: Callable[[], bool] = lambda: True, seconds: float = 60.0) -> None:
        """Start it and wait until *this* process listens on the port and `is_ready` holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        try:
            wait_until(lambda: self._is_listening(port) and is_ready(), f"{self.name} on port {port}", seconds)
        except BaseException as error:
            self.kill()
            raise RuntimeError(f"{self.name} did not start: {error}\n{self.tail()}") from error

    def stop(self, seconds: float = 20.0) -> None:
        """End it politely, by force after a while; nothing happens when it is already gone."""
        self._end(signal.SIGTERM, seconds)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL, 20.0)

    def tail(self, lines: int = 30) -> str:
        """The last lines that it wrote."""
        written = self.output.read_text(errors="replace") if self.output.exists() else ""
        return "\n".join(written.splitlines()[-lines:])

    def _is_listening(self, port: int) -> bool:
        code = self._process.poll() if self._process else None
        if code is not None:
            raise RuntimeError(f"{self.name} ended with code {code}")
        return listens(self.pid, port)

    def _end(self, with_signal: signal.Signals, seconds: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(with_signal)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(pid: int, port: int) -> bool:
    """Whether this very process, or a child of it, has the listening socket of a port."""
    if not Path("/proc/net/tcp").exists():
        return not _is_unused(port)
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    return bool(sockets) and any(sockets & _open_files(member) for member in _family(pid))


def _listening_inodes(port: int) -> list[str]:
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rsplit(":", 1)[1], 16) == port]


def _open_files(pid: int) -> set[str]:
    try:
        return {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:  # a file was closed, or the process ended, while we looked
        return set()


def _family(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        try:
            tasks = list(Path(f"/proc/{member}/task").iterdir())
            children = " ".join((task / "children").read_text() for task in tasks)
        except OSError:
            continue
        members.extend(int(child) for child in children.split())
    return members


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_unused(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def die_with_parent() -> None:
    """Runs in a new process: a test run that is killed leaves nothing behind."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
