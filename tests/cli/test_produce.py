"""`fraud produce` and `fraud history` as a person or a script meets them, on the embedded log."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from cli import quantities
from cli.connect import open_log, open_store, topics
from cli.settings import Settings
from fraud.errors import UsageError
from storage.logs.log import LABELS, TRANSACTIONS


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAUD_LOG", f"embedded:{tmp_path / 'log'}")
    monkeypatch.setenv("FRAUD_STORE", f"sqlite:///{tmp_path / 'flags.db'}")
    monkeypatch.setenv("FRAUD_DATA_DIR", str(tmp_path / "data"))
    settings = Settings()
    log = open_log(settings)
    log.create(topics(settings))
    log.close()
    store = open_store(settings)
    store.prepare()
    store.close()
    return settings


def command(*arguments):
    return [sys.executable, "-c", "from cli.main import main; main()", *arguments]


def run(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=110)


def count(settings, topic):
    log = open_log(settings)
    found = sum(log.bounds(topic, partition)[1] for partition in range(log.partitions(topic)))
    log.close()
    return found


def test_a_backfill_and_a_live_part_are_reported_as_one_json_object(settings):
    done = run(
        *("produce", "--users", "40", "--backfill", "12d", "--tps", "50", "--duration", "1s"),
        *("--malformed", "5%", "--fraud", "10%", "--json"),
    )

    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["payments"] == report["backfilled"] + 50
    assert report["rate"] > 0
    assert set(report["send_delay_ms"]) == {"p50", "p95", "p99", "max"}
    assert count(settings, TRANSACTIONS) == report["payments"] + report["broken"]
    assert count(settings, LABELS) == report["labels"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_flushes_and_reports(settings, number):
    with subprocess.Popen(
        command("produce", "--users", "50", "--tps", "200", "--json"), stdout=subprocess.PIPE, text=True, env=os.environ
    ) as running:
        deadline = time.monotonic() + 90
        while count(settings, TRANSACTIONS) < 20 and time.monotonic() < deadline:
            assert running.poll() is None
        running.send_signal(number)
        out, _ = running.communicate(timeout=60)

    report = json.loads(out)
    assert running.returncode == 0
    assert report["interrupted"]
    assert count(settings, TRANSACTIONS) == report["payments"] >= 20


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--speedup", "60"], "--speedup needs --duration", id="faster without an end"),
        pytest.param(["--duration", "soon"], "--duration is 'soon'", id="no duration"),
        pytest.param(["--malformed", "2"], "--malformed is '2'", id="more than all of them broken"),
        pytest.param(["--speedup", "max", "--duration", "9s"], "--from FILE", id="max without a file"),
        pytest.param(["--mapping", "m.yaml"], "--from FILE", id="a mapping of nothing"),
        pytest.param(["--from", "none.parquet"], "needs --mapping", id="a file without a mapping"),
        pytest.param(["--from", "none.parquet", "--mapping", "m.yaml"], "no such file", id="no file"),
    ],
)
def test_a_wrong_option_is_one_line(settings, arguments, says):
    done = run("produce", *arguments)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_history_is_the_same_twice(settings, tmp_path):
    arguments = ("history", "--from", "2024-01", "--to", "2024-02", "--transactions", "2k", "--json", "--out")

    first = json.loads(run(*arguments, str(tmp_path / "one")).stdout)
    second = json.loads(run(*arguments, str(tmp_path / "two")).stdout)

    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert first["transactions"] == second["transactions"] == pytest.approx(2_000, rel=0.15)
    assert len(files) >= 4
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_history_that_ends_before_it_begins_is_refused(settings):
    done = run("history", "--from", "2024-05", "--to", "2024-02")

    assert done.returncode == 2
    assert done.stderr == "fraud: --to 2024-02 lies before --from 2024-05\n"


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("90m", 5_400), ("1.5h", 5_400), ("14d", 1_209_600), ("2w", 1_209_600)]
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert quantities.duration(text, "--duration") == timedelta(seconds=seconds)


def test_shares_counts_and_months_are_read_as_people_write_them():
    assert quantities.share("1%", "--x") == quantities.share("0.01", "--x") == quantities.share(".01", "--x") == 0.01
    assert quantities.count("2M", "--x") == quantities.count("2,000,000", "--x") == 2_000_000
    assert quantities.month("2024-02", "--x") == datetime(2024, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        pytest.param(quantities.duration, "0s", id="no time at all"),
        pytest.param(quantities.duration, "-1s", id="backwards"),
        pytest.param(quantities.duration, "9" * 400 + "d", id="longer than a number can be"),
        pytest.param(quantities.duration, "40000d", id="more than a century"),
        pytest.param(quantities.share, "100%", id="all of them"),
        pytest.param(quantities.count, "many", id="no number"),
        pytest.param(quantities.month, "2024-13", id="a thirteenth month"),
    ],
)
def test_what_is_no_quantity_is_refused_by_the_name_of_its_option(reader, text):
    with pytest.raises(UsageError, match="--some"):
        reader(text, "--some")
