"""The demonstration with a screen: history, training, then the real commands as processes of their own, until Ctrl-C."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from cli.children import Children, beside
from cli.connect import open_store
from cli.dashboard import HOST, check_port, serving
from cli.demo_road import HISTORY, DemoRoad, settings_in
from cli.progress import progress
from cli.settings import Settings
from cli.termination import terminated_like_interrupted
from dashboard.handover import Handover
from fraud.errors import FraudError, UsageError
from models.promotion import promote
from producer.population import Population
from storage.flags.flag_store import FlagStore
from storage.logs.embedded_log import EmbeddedLog

BANNER = "Demonstration: log and store are files on this machine, cardholders are simulated."
CATCH_UP = 300.0
"""Seconds that the consumer may take over the history."""
LOOK_EVERY = 0.5
MADE = "demo.json"
"""Written last: a folder without it is half made, and made anew."""


def run(settings: Settings, *, users: int, seed: int, port: int, tps: float, fresh: bool) -> None:
    """Prepare what is missing, start everything, wait for Ctrl-C. Raises UsageError before anything is touched."""
    check_port(HOST, port)
    folder = _folder(settings)
    with terminated_like_interrupted(), _only_one(folder):
        made = _made(folder, fresh)
        mine = settings_in(folder, settings)
        store = open_store(mine)
        store.prepare()
        try:
            with Children(_environment(mine), folder / "logs") as children:
                _run(mine, store, children, made or {"users": users, "seed": seed}, made is None, port, tps)
        except KeyboardInterrupt:
            typer.echo("ended; the next start goes on from here")
        finally:
            store.close()


def _run(
    mine: Settings, store: FlagStore, children: Children, who: dict[str, int], is_new: bool, port: int, tps: float
) -> None:
    handover = Handover(store=mine.store.get_secret_value(), data_dir=mine.data_dir, banner=BANNER)
    road = _history(mine, who) if is_new else None
    children.start("consumer", ["consume"])
    with serving(handover, host=HOST, port=port):
        if road is None:
            typer.echo(f"going on with {who['users']} cardholders from {mine.data_dir} (--fresh starts over)")
        else:
            _model(road, store, children)
            (Path(mine.data_dir) / MADE).write_text(json.dumps(who), encoding="utf-8")
        children.start(
            "producer", ["produce", "--tps", str(tps), "--users", str(who["users"]), "--seed", str(who["seed"])]
        )
        typer.echo(f"dashboard: http://{HOST}:{port}/?period=24h  (Ctrl-C ends the demonstration)")
        children.wait()


def _history(mine: Settings, who: dict[str, int]) -> DemoRoad:
    """Weeks of history into Parquet, and from there into the log; kernels are compiled meanwhile, where they never were."""
    compiling = beside("consumer.warming")
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    population = Population(seed=who["seed"], users=who["users"])
    road = DemoRoad(settings=mine, population=population, start=end - HISTORY, end=end)
    with progress("1/5 Writing eight weeks of history") as advance:
        road.payments = road.write_history(advance)
    road.open()
    with progress("2/5 Publishing it to the log", road.payments) as advance:
        road.publish_history(advance)
    road.log.close()
    compiling.wait()
    return road


def _model(road: DemoRoad, store: FlagStore, children: Children) -> None:
    """Train on the Parquet files while the consumer decides what they hold, then put the model in force."""
    with progress("3/5 Training a model", road.payments) as advance:
        model = road.train(advance)
    with progress("4/5 Deciding history", road.payments) as advance:
        _catch_up(store, children, road.payments, advance)
    with progress("5/5 Putting the model in force"):
        log = EmbeddedLog(Path(road.settings.log.removeprefix("embedded:")))
        promote(log, road.settings.data_dir, model)
        log.close()


def _catch_up(store: FlagStore, children: Children, count: int, advance: Callable[[int], None]) -> None:
    """Wait until the consumer has seen the history, by what its heartbeats say."""
    deadline, seen = time.monotonic() + CATCH_UP, 0
    while seen < count:
        children.check()
        now = max((int(beat.facts.get("seen", 0)) for beat in store.heartbeats() if beat.role == "consumer"), default=0)
        advance(now - seen)
        seen = now
        if time.monotonic() > deadline:
            raise FraudError(
                f"the consumer has decided {seen} of {count} payments in {CATCH_UP:.0f} s; is the disk slow?"
            )
        time.sleep(LOOK_EVERY)


def _folder(settings: Settings) -> Path:
    """The demonstration's own folder, writable."""
    if "://" in settings.data_dir:
        raise UsageError(f"FRAUD_DATA_DIR is {settings.data_dir}: the demonstration needs a local folder")
    folder = Path(settings.data_dir) / "embedded"
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        (folder / "demo.lock").touch()
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written ({error.strerror}): set FRAUD_DATA_DIR to a folder of yours"
        ) from error
    return folder


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder. Raises UsageError when another demonstration does; a killed one holds nothing."""
    with (folder / "demo.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another demonstration runs in {folder}: end it first, or set FRAUD_DATA_DIR") from error
        yield


def _made(folder: Path, fresh: bool) -> dict[str, int] | None:
    """Who lives in the folder; None when nobody does yet. What an earlier start left half made is dropped."""
    file = folder / MADE
    if file.exists() and not fresh:
        made: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
        return made
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != "demo.lock":
            left.unlink()
    (folder / "logs").mkdir()
    return None


def _environment(mine: Settings) -> dict[str, Any]:
    return {
        **os.environ,
        "FRAUD_LOG": mine.log,
        "FRAUD_STORE": mine.store.get_secret_value(),
        "FRAUD_DATA_DIR": mine.data_dir,
        "FRAUD_RULES_FILE": str(mine.rules_file),
        "FRAUD_GROUP": mine.group,
        "FRAUD_MEMBER": "",
        "FRAUD_METRICS_PORT": "0",
    }
