"""What the archive costs beside the consumer: CPU per payment and peak memory of both over one embedded log.

    python -m benchmarks.archive --payments 500000

The log holds the simulated population's payments, appended a millisecond apart, as at 1,000 a second; rules are the shipped
ones. Each process reads it alone from the beginning, at the poll sizes asked for: 5,000 is catching up, 200 is keeping up.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from cli import archive, consume
from cli.connect import open_log, open_store, speak
from cli.demo_road import DemoRoad, settings_in
from cli.settings import Settings
from consumer.warming import warm_up
from producer.population import Population
from producer.stream import payments
from storage.logs.log import TRANSACTIONS

BACK = timedelta(days=1)
SPAN = timedelta(days=365)
A_MILLISECOND = 1_000


def main() -> None:
    """Print one table, or JSON."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--payments", type=int, default=500_000)
    arguments.add_argument("--users", type=int, default=20_000)
    arguments.add_argument("--polls", type=int, nargs="*", default=[5_000, 200])
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.one:
        print(json.dumps(_read(asked.one[0], Path(asked.one[1]), int(asked.one[2]), asked.payments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder), asked.payments, asked.users)
        rows = [_measured(role, folder, poll, asked) for poll in asked.polls for role in ("consumer", "archive")]
    print(json.dumps(rows) if asked.json else _table(rows))


def _fill(folder: Path, count: int, users: int) -> None:
    """A log of so many payments."""
    begin = datetime.now(UTC) - BACK  # the log's clock never passes the real one
    road = DemoRoad(
        settings=settings_in(folder, Settings()).model_copy(update={"partitions": 12}),
        population=Population(seed=7, users=users),
        start=begin,
        end=begin,
    )
    road.open()
    publisher = road.log.publisher()
    for payment in islice(payments(road.population, begin - SPAN, begin), count):
        road.clock += A_MILLISECOND
        publisher.send(TRANSACTIONS, payment.transaction.user_id.encode(), msgspec.json.encode(payment.transaction))
    publisher.close()
    road.log.close()


def _measured(role: str, folder: str, poll: int, asked: argparse.Namespace) -> dict[str, Any]:
    """One reader in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.archive", "--payments", str(asked.payments)]
    command += ["--one", role, folder, str(poll)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def _read(role: str, folder: Path, poll: int, count: int) -> dict[str, Any]:
    """Read the log to its end, and say what it cost."""
    settings = settings_in(folder, Settings()).model_copy(
        update={"batch_size": poll, "group": f"{role}-{poll}", "data_dir": str(folder / f"{role}-{poll}")}
    )
    speak(settings)
    log, store = open_log(settings), open_store(settings)
    store.prepare()
    warm_up()
    loop = (
        consume.build(settings, log, store, watch=False) if role == "consumer" else archive.build(settings, log, store)
    )
    loop.until = lambda status: status.seen >= count
    before, began, wall = _peak(), time.process_time(), time.monotonic()
    loop.run()
    loop.close()
    used, took = time.process_time() - began, time.monotonic() - wall
    sample = loop.status.metrics.registry.get_sample_value
    written = {
        name: sample(f"fraud_archive_{name}_total", {"data_set": "decisions"}) for name in ("files", "rows", "bytes")
    }
    return {
        "process": role,
        "poll": poll,
        "payments": loop.status.seen,
        "cpu_us": round(used / loop.status.seen * 1e6, 1),
        "per_second": round(loop.status.seen / took),
        "peak_mib": round(_peak()),
        "before_mib": round(before),
        **{name: int(value or 0) for name, value in written.items()},
    }


def _peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    lines = ["".join(f"{name:>14}" for name in names)]
    lines += ["".join(f"{row[name]:>14}" for name in names) for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
