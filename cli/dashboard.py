"""`fraud dashboard`: what analysts see, in a browser. The only place that hands settings over to the dashboard's process."""

import errno
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

import dashboard as dashboard_package
from cli.settings import Settings
from cli.termination import end, terminated_like_interrupted
from dashboard.handover import Handover
from fraud.errors import FraudError, StoreError, UsageError
from storage.flags.stores import open_store

HOST, PORT = "127.0.0.1", 8501
_SCRIPT = Path(dashboard_package.__file__).parent / "app.py"
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0


def dashboard(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 in a container")] = HOST,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on")] = PORT,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="Name by which browsers may reach it, beside localhost; may be repeated")
    ] = None,
    banner: Annotated[str, typer.Option(help="One line shown on top of every page")] = "",
) -> None:
    """Show flags, counters and health in the browser until Ctrl-C.

    Example: fraud dashboard --port 8501

    Behind a proxy: fraud dashboard --host 0.0.0.0 --allowed-host fraud.example.com
    """
    settings = Settings()
    given = Handover(store=settings.store.get_secret_value(), data_dir=settings.data_dir, banner=banner)
    # A store that is away is no reason to stay away: the page says so, and goes on when it returns.
    with suppress(StoreError):
        _prepare(given.store)
    with (
        suppress(KeyboardInterrupt),
        terminated_like_interrupted(),
        serving(given, host=host, port=port, allowed_hosts=allowed_host or ()) as process,
    ):
        typer.echo(f"dashboard: http://{_reachable(host)}:{port} (Ctrl-C ends it)")
        process.wait()
        raise FraudError(f"the dashboard ended by itself with status {process.returncode}")


@contextmanager
def serving(
    given: Handover, *, host: str = HOST, port: int = PORT, allowed_hosts: Sequence[str] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the dashboard as a child process that answers, until the block ends.

    Raises UsageError when the port is taken, FraudError when the dashboard does not come up.
    """
    check_port(host, port)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
        _command(host, port, allowed_hosts),
        env={**os.environ, **given.environment()},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,  # its tracebacks; what scripts read from us stays clean
    )
    try:
        _wait_until_up(process, host, port)
        yield process
    finally:
        end(process, _STOP_SECONDS)


def check_port(host: str, port: int) -> None:
    """UsageError when something listens there already, or when this user may not listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
            raise UsageError(f"cannot listen on {host}:{port} ({reason}): choose another with {option}") from error


def _command(host: str, port: int, allowed_hosts: Sequence[str]) -> list[str]:
    names = dict.fromkeys(["localhost", "127.0.0.1", _reachable(host), *allowed_hosts])
    allowed = [f"--server.allowedHosts={name}" for name in names]
    where = [
        f"--server.address={host}",
        f"--server.port={port}",
        "--logger.level=error",
        "--logger.hideWelcomeMessage=true",
    ]
    return [sys.executable, "-m", "streamlit", "run", str(_SCRIPT), *where, *allowed]


def _reachable(host: str) -> str:
    return "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared with, not listened on


def _prepare(url: str) -> None:
    store = open_store(url)
    try:
        store.prepare()
    finally:
        store.close()


def _wait_until_up(process: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(f"http://{_reachable(host)}:{port}/_stcore/health"):
        if process.poll() is not None:
            raise FraudError(f"the dashboard did not start (status {process.returncode}); the lines above say why")
        if time.monotonic() > deadline:
            raise FraudError(f"the dashboard did not answer within {_START_SECONDS:.0f} s")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own http address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
