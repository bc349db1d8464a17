"""From settings to a loop over the payments: the parts that every process that decides has in common, joined and run."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.connect import process_name, scorer_of
from cli.log_check import warnings_of
from cli.settings import Settings
from consumer.checkpointing import Checkpointing
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Decider
from consumer.heartbeat import HeartbeatChore
from consumer.loop import Chore, Loop
from consumer.metrics import Metrics, serve
from consumer.policies import PolicyReader, Scorers
from consumer.rebuilding import Rebuilder
from consumer.resting import Resting
from consumer.restoring import Restorer
from consumer.sink import Sink
from consumer.status import Status
from consumer.watchdog import Watchdog
from fraud.errors import UsageError
from storage.archive import Archive
from storage.flags.flag_store import FlagStore
from storage.logs.log import ALL_TOPICS, TRANSACTIONS, Log

STALL = 120.0
"""Seconds without a turn of the loop after which `/healthz` says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is particular to one kind of process."""

    role: str
    """As heartbeats say it."""
    group: str
    """Consumer group, and folder of its checkpoints."""
    policies: PolicyReader
    sink: Sink
    chores: Callable[[Decider], Sequence[Chore]]
    """What it does between polls besides its heartbeat."""
    metrics: Metrics = field(default_factory=Metrics)
    refused: Callable[[], list[dict[str, Any]]] = list
    """Rules files that were refused."""
    facts: Callable[[], dict[str, Any]] = dict
    """What its heartbeat says besides."""


def joined(settings: Settings, log: Log, store: FlagStore, part: Part) -> Loop:
    """A loop with all its parts, ready to run. Raises LogError for a log that cannot be decided by."""
    monotonic, warnings = time.monotonic, warnings_of(log)
    reader = log.group_reader(TRANSACTIONS, part.group, settings.member)
    policies = part.policies
    decider = Decider(
        log_id=log.topic_id(TRANSACTIONS),
        group=part.group,
        timeline=policies.timeline,
        scorers=policies.scorers,
        now=now,
    )
    folder = _checkpoint_folder(settings, part.group)
    folder.check(decider.log_id, log.partitions(TRANSACTIONS))
    heartbeat = HeartbeatChore(
        store=store,
        reader=reader,
        decider=decider,
        policies=policies,
        process=process_name(part.role, settings),
        role=part.role,
        started_at=now(),
        now=now,
        monotonic=monotonic,
        refused=part.refused,
        more=part.facts,
    )
    loop = Loop(
        reader=reader,
        decider=decider,
        policies=policies,
        restorer=Restorer(
            source=log,
            checkpoints=folder,
            decider=decider,
            rebuilder=Rebuilder(Archive(settings.data_dir)),
            alive=lambda: _breathe(loop, heartbeat),
        ),
        resting=Resting(decider),
        sink=part.sink,
        checkpointing=Checkpointing(
            folder=folder,
            partitions=log.partitions(TRANSACTIONS),
            monotonic=monotonic,
            longest=settings.checkpoint_seconds,
        ),
        status=Status(metrics=part.metrics, now=now, monotonic=monotonic, warnings=warnings),
        heartbeat=heartbeat,
        chores=list(part.chores(decider)),
        max_records=settings.batch_size,
        stopping=threading.Event(),
    )
    return loop


def policy_reader(settings: Settings, log: Log) -> PolicyReader:
    """Follows the policies, and finds the models that they name."""
    scorers = Scorers(lambda model_id: scorer_of(settings, model_id))
    return PolicyReader(source=log, scorers=scorers, monotonic=time.monotonic)


def run(loop: Loop, settings: Settings) -> None:
    """Run until SIGTERM or Ctrl-C, watched, with metrics where the settings ask for them; leaves the group."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stopping.set())
    if settings.metrics_port:
        serve(loop.status.metrics, _healthy(loop), settings.metrics_host, settings.metrics_port)
    Watchdog(turned_at=lambda: loop.turned_at, doing=lambda: loop.doing, seconds=settings.stall_seconds).start()
    try:
        loop.run()
    finally:
        loop.close()


def check_topics(log: Log) -> None:
    """Raise LogError where topics are missing, naming `fraud init`."""
    for topic in ALL_TOPICS:
        log.partitions(topic)


def now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


def _breathe(loop: Loop, heartbeat: HeartbeatChore) -> None:
    """While a state is rebuilt: keep the membership (nothing may be delivered meanwhile) and say that this process lives."""
    loop.reader.pause()
    loop.reader.poll(0, 1)
    loop.reader.resume()
    loop.turned_at = time.monotonic()
    heartbeat.due(loop.status)
    if loop.stopping.is_set():
        raise KeyboardInterrupt


def _checkpoint_folder(settings: Settings, group: str) -> CheckpointFolder:
    """Checkpoints are renamed into place, so they need a file system. Raises UsageError where none is named."""
    root = settings.checkpoint_dir
    if root is None and "://" in settings.data_dir:
        raise UsageError(f"FRAUD_DATA_DIR is {settings.data_dir}: set FRAUD_CHECKPOINT_DIR to a folder for checkpoints")
    return CheckpointFolder((root or Path(settings.data_dir) / "checkpoints") / group)


def _healthy(loop: Loop) -> Callable[[], str | None]:
    """None while the loop turns; a paused loop turns."""

    def reason() -> str | None:
        silent = time.monotonic() - loop.turned_at
        return None if silent < STALL else f"the loop has not turned for {silent:.0f} s"

    return reason
