"""What checkpoints cost, and what coming back costs: `make bench-checkpoints`.

A state of random payments lies in memory in the order in which users first paid, as in a consumer that has run for a while. It
is copied (the pause of the loop), written, put out of the page cache and restored, partition by partition. The last line says
what replaying a record of the log takes, of the embedded log or of an empty one that `--log` names.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from cli.connect import open_log
from cli.settings import Settings
from consumer.checkpoint_file import Checkpoint
from consumer.checkpointing import LONGEST, REPLAY_SECONDS, SECONDS_PER_RECORD
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Decider
from consumer.rebuilding import Rebuilder
from consumer.restoring import Restorer
from fraud.engine import Engine
from fraud.ring import EVENT_TIME, NEVER, WIDTH
from fraud.timeline import PolicyTimeline
from fraud.windows import Remembered, Windows
from producer.population import Population
from storage.archive import Archive
from storage.logs.log import TRANSACTIONS, Topic

LOG = "bench"
RATE = 1_000
"""Payments a second that the share of a core is stated for."""
PAYMENTS = 200_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = f"{'users':>10}{'each':>6}{'part.':>6}{'GB':>7}{'pause max s':>13}{'copy CPU s':>12}{'write CPU s':>13}"
HEAD += f"{'share at 1,000/s':>18}{'restore s':>11}{'restore CPU s':>15}{'peak GB':>9}"


@dataclass(slots=True)
class Spent:
    """Seconds on the clock and of CPU, summed, and the longest single time."""

    wall: float = 0.0
    cpu: float = 0.0
    longest: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Add what the block takes."""
        started, cpu = time.perf_counter(), time.process_time()
        yield
        took = time.perf_counter() - started
        self.cpu += time.process_time() - cpu
        self.wall += took
        self.longest = max(self.longest, took)


def main() -> None:
    """Print one table and one line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--users", type=int, default=1_000_000)
    arguments.add_argument("--each", type=int, nargs="*", default=[10, 60], help="payments of each user, ascending")
    arguments.add_argument("--partitions", type=int, default=12)
    arguments.add_argument("--log", help="an empty log to measure the replay of, e.g. kafka://127.0.0.1:9092")
    asked = arguments.parse_args()
    _states_of(1_000, 10).remembered()  # compiled before anything is measured
    print(HEAD)
    for each in asked.each:
        with tempfile.TemporaryDirectory() as folder:
            print(row(CheckpointFolder(Path(folder)), asked.users, each, asked.partitions), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        replay = replayed(asked.log or f"embedded:{folder}", Path(folder))
    print(f"replay: {replay.wall / PAYMENTS * 1e6:.1f} us a record, {replay.cpu / PAYMENTS * 1e6:.1f} us of CPU")


def row(folder: CheckpointFolder, users: int, each: int, partitions: int) -> str:
    """One line of the table."""
    copy, write, restore, size = Spent(), Spent(), Spent(), 0
    for partition in range(partitions):
        windows = _states_of(users // partitions, each)
        with copy.measured():
            remembered = windows.remembered()
        checkpoint = _checkpoint_of(remembered, partition, partitions)
        with write.measured():
            path = folder.write(checkpoint)
        size += path.stat().st_size
        _put_out_of_the_page_cache(path)
        del windows, remembered, checkpoint
    engine = Engine()
    for partition in range(partitions):
        with restore.measured():
            _restore(folder, engine, partition, partitions)
    # with partitions in turn, the largest of them holds 2 / (partitions + 1) of what is to be replayed
    between = min(LONGEST / partitions, REPLAY_SECONDS / SECONDS_PER_RECORD * 2 / (partitions + 1) / RATE)
    share = (copy.cpu + write.cpu) / partitions / between
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (
        f"{users:>10,}{each:>6}{partitions:>6}{size / 1e9:>7.2f}{copy.longest:>13.3f}{copy.cpu:>12.2f}{write.cpu:>13.2f}"
        f"{share:>18.2%}{restore.wall:>11.2f}{restore.cpu:>15.2f}{peak:>9.1f}"
    )


def replayed(log: str, folder: Path) -> Spent:
    """Read and remember payments of a partition again, as at a start without checkpoints."""
    source = open_log(Settings(_env_file=None, log=log))
    source.create([Topic(name=TRANSACTIONS, partitions=1)])
    publisher = source.publisher()
    payments = (
        payment
        for chunk in Population(seed=7, users=3_000).payments(BEGIN, BEGIN + timedelta(days=60))
        for payment in chunk
    )
    for _, payment in zip(range(PAYMENTS), payments, strict=False):
        transaction = payment.transaction
        publisher.send(TRANSACTIONS, transaction.user_id.encode(), msgspec.json.encode(transaction))
    publisher.flush()
    publisher.close()
    decider = Decider(log_id=LOG, group=LOG, timeline=PolicyTimeline(), scorers={}, now=lambda: BEGIN)
    restorer = Restorer(
        source=source,
        checkpoints=CheckpointFolder(folder / "none"),
        decider=decider,
        rebuilder=Rebuilder(Archive(folder)),
        alive=lambda: None,
    )
    spent = Spent()
    with spent.measured():
        restored = restorer.restore(0, PAYMENTS)
    assert restored.replayed == PAYMENTS
    source.close()
    return spent


def _states_of(users: int, each: int) -> Windows:
    """Users in no order, each with payments a minute apart."""
    random = np.random.default_rng(users * each)
    rows = random.integers(0, 2**40, (users * each, WIDTH))
    rows[:, EVENT_TIME] = np.tile(np.arange(each) * 60_000_000 + 2**50, users)
    windows = Windows()
    windows.restore(
        Remembered(
            newest=int(rows[-1, EVENT_TIME]),
            hashes=np.unique(random.integers(1, 2**63, 2 * users).astype(np.uint64))[random.permutation(users)],
            lengths=np.full(users, each),
            dropped=np.full(users, NEVER),
            rows=rows,
        )
    )
    return windows


def _checkpoint_of(remembered: Remembered, partition: int, partitions: int) -> Checkpoint:
    return Checkpoint(
        log_id=LOG,
        partition=partition,
        partitions=partitions,
        offset=1,
        received_at=0,
        minute=None,
        policy=None,
        remembered=remembered,
    )


def _restore(folder: CheckpointFolder, engine: Engine, partition: int, partitions: int) -> None:
    checkpoint, _ = folder.newest(LOG, partition, partitions, 1)
    assert checkpoint is not None
    engine.windows(partition).restore(checkpoint.remembered)


def _put_out_of_the_page_cache(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


if __name__ == "__main__":
    main()
