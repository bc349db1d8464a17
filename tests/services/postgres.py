"""PostgreSQL, as the system has it: a cluster of our own, run by an account without privileges."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psycopg

from tests.services.frozen import frozen, is_running
from tests.services.server import Server, Unavailable, free_port, wait_until

ACCOUNTS = ("postgres", "nobody")
DEBIAN = Path("/usr/lib/postgresql")
USER = "fraud"
# An English database sorts text as English does, not by code points: what would differ from other stores shows here.
LANGUAGE = ("--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_wal_size": "128MB",
}


class Postgres:
    """One server; `kill`, `frozen` and `restart` keep its data."""

    def __init__(self, folder: Path, port: int) -> None:
        """Make the cluster and describe the server."""
        self._port = port
        self.url = f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
        as_account = _as_account(folder)
        data = str(folder / "data")
        cluster = [str(_program("initdb")), "-D", data, "-U", USER, "--auth=trust", "--encoding=UTF8", *LANGUAGE]
        subprocess.run([*as_account, *cluster], cwd=folder, check=True, capture_output=True)
        options = [text for name, value in SETTINGS.items() for text in ("-c", f"{name}={value}")]
        postgres = [str(_program("postgres")), "-D", data, "-p", str(port), *options]
        self._server = Server("postgres", [*as_account, *postgres], folder)

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return self._server.pid

    def start(self) -> None:
        """Start on what is stored, and wait for its first answer."""
        self._server.start(self._port, self._answers)

    def stop(self) -> None:
        """Shut down in order, ending every session."""
        os.kill(self.pid, signal.SIGINT)
        self._server.stop()

    def kill(self) -> None:
        """Crash, with all of its processes."""
        children = _children(self.pid)
        self._server.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        # A new postmaster refuses to start while a process of the old one still has the shared memory.
        wait_until(lambda: not any(is_running(child) for child in children), "the end of PostgreSQL's processes")

    def restart(self) -> None:
        """Crash and start again on the same data and port."""
        self.kill()
        self.start()

    def frozen(self) -> AbstractContextManager[None]:
        """Answer nothing within the block, with every connection left open."""
        return frozen(lambda: [self.pid, *_children(self.pid)])

    def _answers(self) -> bool:
        try:
            with psycopg.connect(host="127.0.0.1", port=self._port, user=USER, dbname="postgres", connect_timeout=2):
                return True
        except psycopg.Error:
            return False


@contextmanager
def running(_folder: Path) -> Iterator[Postgres]:
    """A started server; its data lie in a folder of their own, because its account may not enter those of others."""
    with free_port() as port, tempfile.TemporaryDirectory(prefix="fraudstream-postgres-") as folder:
        server = Postgres(Path(folder), port)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _program(name: str) -> Path:
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = shutil.which(name) or (versions and str(versions[-1]))
    if not found:
        raise Unavailable(f"`{name}` is not installed (Debian: postgresql)")
    return Path(found)


def _as_account(folder: Path) -> list[str]:
    """What to put before a command so that it does not run as root; the folder is given to that account."""
    if os.getuid() != 0:
        return []
    account = next((found for found in map(_account, ACCOUNTS) if found), None)
    if account is None:
        raise Unavailable(f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS)}")
    os.chown(folder, account.pw_uid, account.pw_gid)
    # The change of account forgets that it is to end with its parent, so it is told again.
    who = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return ["setpriv", *who, "--pdeathsig=INT", "--"]


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
