"""`fraud consume`: read payments, decide, store flags. Joins every part of the consumer."""

import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.connect import open_log, open_store, process_name, scorer_of, speak
from cli.settings import Settings
from cli.waiting import until_up
from consumer.checkpointing import Checkpointing
from consumer.checkpoints import CheckpointFolder
from consumer.deciding import Decider
from consumer.heartbeat import HeartbeatChore
from consumer.loop import Loop
from consumer.metrics import Metrics, serve
from consumer.policies import PolicyReader, Scorers
from consumer.restoring import Restorer
from consumer.sink import FlagSink
from consumer.status import Status
from consumer.users import UsersChore
from consumer.warming import warm_up
from consumer.watcher import WatcherChore
from fraud.errors import UsageError
from storage import failpoints
from storage.flags.flag_store import FlagStore
from storage.logs.log import ALL_TOPICS, TRANSACTIONS, Log

STALL = 120.0
"""Seconds without a turn of the loop after which `/healthz` says so."""


def consume(
    watch: Annotated[bool, typer.Option(help="Publish the rules file when it changes.")] = True,
    wait: Annotated[float, typer.Option(help="Seconds to wait for log and store to come up.", min=0)] = 60.0,
) -> None:
    """Read payments from the log, decide them, store flags with their reasons. SIGTERM or Ctrl-C leaves cleanly.

    Example: FRAUD_METRICS_PORT=9100 fraud consume
    """
    settings = Settings()
    speak(settings)
    failpoints.arm(settings.failpoints or "")
    log, store = open_log(settings), open_store(settings)
    until_up(store.prepare, wait)
    until_up(lambda: _check(log), wait)
    warm_up()
    loop = build(settings, log, store, watch=watch)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stopping.set())
    if settings.metrics_port:
        serve(loop.status.metrics, _healthy(loop), settings.metrics_host, settings.metrics_port)
    try:
        loop.run()
    finally:
        loop.close()
        store.close()
        log.close()


def build(settings: Settings, log: Log, store: FlagStore, *, watch: bool) -> Loop:
    """A consumer with all its parts, ready to run."""
    monotonic = time.monotonic
    reader = log.group_reader(TRANSACTIONS, settings.group, settings.member)
    policies = PolicyReader(
        source=log, scorers=Scorers(lambda model_id: scorer_of(settings, model_id)), monotonic=monotonic
    )
    decider = Decider(
        log_id=log.topic_id(TRANSACTIONS),
        group=settings.group,
        timeline=policies.timeline,
        scorers=policies.scorers,
        now=_now,
    )
    status = Status(metrics=Metrics(), now=_now, monotonic=monotonic)
    folder = _checkpoint_folder(settings)
    folder.check(decider.log_id, log.partitions(TRANSACTIONS))
    watcher = WatcherChore(source=log, file=settings.rules_file, now=_now, monotonic=monotonic)
    heartbeat = HeartbeatChore(
        store=store,
        reader=reader,
        decider=decider,
        policies=policies,
        process=process_name("consumer", settings),
        started_at=_now(),
        now=_now,
        monotonic=monotonic,
        refused=watcher.refused,
    )
    users = UsersChore(source=log, store=store, is_mine=lambda: 0 in decider.states, monotonic=monotonic)
    loop = Loop(
        reader=reader,
        decider=decider,
        policies=policies,
        restorer=Restorer(source=log, checkpoints=folder, decider=decider, alive=lambda: _breathe(loop, heartbeat)),
        sink=FlagSink(store, log.publisher()),
        checkpointing=Checkpointing(
            folder=folder,
            partitions=log.partitions(TRANSACTIONS),
            monotonic=monotonic,
            longest=settings.checkpoint_seconds,
        ),
        status=status,
        chores=[heartbeat, users, *([watcher] if watch else [])],
        max_records=settings.batch_size,
        stopping=threading.Event(),
    )
    return loop


def _now() -> datetime:
    return datetime.now(UTC)


def _check(log: Log) -> None:
    """Raise LogError where topics are missing, naming `fraud init`."""
    for topic in ALL_TOPICS:
        log.partitions(topic)


def _breathe(loop: Loop, heartbeat: HeartbeatChore) -> None:
    """While a state is rebuilt: keep the membership (nothing may be delivered meanwhile) and say that this process lives."""
    loop.reader.pause()
    loop.reader.poll(0, 1)
    loop.reader.resume()
    loop.turned_at = time.monotonic()
    heartbeat.due(loop.status)
    if loop.stopping.is_set():
        raise KeyboardInterrupt


def _checkpoint_folder(settings: Settings) -> CheckpointFolder:
    """Checkpoints are renamed into place, so they need a file system. Raises UsageError where none is named."""
    root = settings.checkpoint_dir
    if root is None and "://" in settings.data_dir:
        raise UsageError(f"FRAUD_DATA_DIR is {settings.data_dir}: set FRAUD_CHECKPOINT_DIR to a folder for checkpoints")
    return CheckpointFolder((root or Path(settings.data_dir) / "checkpoints") / settings.group)


def _healthy(loop: Loop) -> Callable[[], str | None]:
    """None while the loop turns; a paused loop turns."""

    def reason() -> str | None:
        silent = time.monotonic() - loop.turned_at
        return None if silent < STALL else f"the loop has not turned for {silent:.0f} s"

    return reason
