"""A server that speaks MongoDB's wire protocol: SecantusDB, a separate program in its own virtual environment.

It keeps acknowledged writes through a crash, and indexes and aggregates as MongoDB documents. Its times say nothing about MongoDB.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from tests.services.frozen import frozen
from tests.services.server import Server, Unavailable, free_port, one_at_a_time

LOCK = Path(__file__).with_suffix(".lock")
CACHE = Path(__file__).parents[2] / ".cache"


class MongoWire:
    """One server; `kill`, `freeze` and `restart` keep its data."""

    def __init__(self, program: Path, folder: Path, port: int) -> None:
        """Describe the server; an empty configuration keeps it from reading one of the machine."""
        self._port = port
        self.url = f"mongodb://127.0.0.1:{port}"
        (folder / "data").mkdir()
        configuration = folder / "empty.toml"
        configuration.touch()
        where = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", str(folder / "data")]
        command = [str(program), "--config", str(configuration), *where, "--sync-on-commit"]
        self._server = Server("mongo_wire", command, folder)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._server.pid

    def start(self) -> None:
        """Start on what is stored, and wait for its first answer."""
        self._server.start(self._port, self._answers)

    def stop(self) -> None:
        """Shut down in order."""
        self._server.stop()

    def kill(self) -> None:
        """Crash."""
        self._server.kill()

    def restart(self) -> None:
        """Crash and start again on the same data and port."""
        self.kill()
        self.start()

    def frozen(self) -> AbstractContextManager[None]:
        """Answer nothing within the block, with every connection left open."""
        return frozen(lambda: [self.pid])

    def _answers(self) -> bool:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(self.url, timeoutMS=2_000)
        with client:
            try:
                return bool(client.admin.command("ping")["ok"])
            except PyMongoError:
                return False


@contextmanager
def running(folder: Path) -> Iterator[MongoWire]:
    """A started server with its data under `folder`; Unavailable when its packages cannot be had."""
    with free_port() as port:
        server = MongoWire(_program(), folder, port)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _program() -> Path:
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = CACHE / f"secantus-{digest}"
    with one_at_a_time(CACHE / f"secantus-{digest}.lock"):
        if not (environment / "complete").exists():
            _install(environment)
    return environment / "bin" / "secantusd-py"


def _install(environment: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(environment)],
        [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"SecantusDB could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    (environment / "complete").touch()
