"""`fraud consume`: read payments, decide, store flags."""

import time
from typing import Annotated

import typer

from cli.connect import open_log, open_store, speak
from cli.loops import Part, check_topics, joined, now, policy_reader, run
from cli.settings import Settings
from cli.waiting import until_up
from consumer.loop import Loop
from consumer.sink import FlagSink
from consumer.users import UsersChore
from consumer.warming import warm_up
from consumer.watcher import WatcherChore
from storage import failpoints
from storage.flags.flag_store import FlagStore
from storage.logs.log import Log


def consume(
    watch: Annotated[bool, typer.Option(help="Publish the rules file when it changes.")] = True,
    wait: Annotated[float, typer.Option(help="Seconds to wait for log and store to come up.", min=0)] = 60.0,
) -> None:
    """Read payments, decide them, store flags with their reasons.

    SIGTERM or Ctrl-C leaves cleanly.

    Example: FRAUD_METRICS_PORT=9100 fraud consume
    """
    settings = Settings()
    speak(settings)
    failpoints.arm(settings.failpoints or "")
    log, store = open_log(settings), open_store(settings)
    until_up(store.prepare, wait)
    until_up(lambda: check_topics(log), wait)
    warm_up()
    try:
        run(build(settings, log, store, watch=watch), settings)
    finally:
        store.close()
        log.close()


def build(settings: Settings, log: Log, store: FlagStore, *, watch: bool) -> Loop:
    """A consumer with all its parts, ready to run."""
    watcher = WatcherChore(source=log, file=settings.rules_file, now=now, monotonic=time.monotonic)
    return joined(
        settings,
        log,
        store,
        Part(
            role="consumer",
            group=settings.group,
            policies=policy_reader(settings, log),
            sink=FlagSink(store, log.publisher()),
            chores=lambda decider: [
                UsersChore(source=log, store=store, is_mine=lambda: 0 in decider.states, monotonic=time.monotonic),
                *([watcher] if watch else []),
            ],
            refused=watcher.refused,
        ),
    )
