import inspect
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from cli import dashboard as command
from dashboard.handover import Handover, received
from fraud.errors import UsageError
from tests.services.server import free_port, wait_until


def test_what_is_handed_over_arrives():
    given = Handover(store="sqlite:///flags.db", data_dir="data", banner="embedded log and store")

    assert received(given.environment()) == given


def test_a_dashboard_started_in_another_way_says_how_it_should_be():
    with pytest.raises(UsageError, match="fraud dashboard"):
        received({})


def test_a_busy_port_is_one_clear_line():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port} .*--port"):
            command.check_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_clear_line():
    with pytest.raises(UsageError, match=r"203\.0\.113\.7:8501 .*--host"):
        command.check_port("203.0.113.7", 8501)


def test_the_help_shows_an_example():
    assert "fraud dashboard --port" in (inspect.getdoc(command.dashboard) or "")


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_stop_and_leaves_nobody_behind(tmp_path):
    with free_port() as port:
        script = (
            f"from cli.dashboard import dashboard; dashboard(host='127.0.0.1', port={port}, allowed_host=[], banner='')"
        )
        environment = {**os.environ, "FRAUD_STORE": f"sqlite:///{tmp_path}/flags.db", "FRAUD_DATA_DIR": str(tmp_path)}
        process = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
            assert answer.status == 200

        process.send_signal(signal.SIGTERM)

        assert line.startswith(f"dashboard: http://127.0.0.1:{port}")
        assert process.wait(20) == 0
        process.stdout.close()
        wait_until(lambda: _is_free(port), f"port {port} is free again")


def _is_free(port: int) -> bool:
    try:
        command.check_port("127.0.0.1", port)
    except UsageError:
        return False
    return True
