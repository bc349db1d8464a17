"""`fraud doctor`: what an operator should know of log, clocks, policy, store and data folder, with what to do about it."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer

from cli.connect import open_log, open_store, scorer_of
from cli.settings import Settings
from fraud.errors import FraudError
from fraud.policy import ENGINE_VERSION, Policy
from storage.flags.flag_store import FlagStore
from storage.logs.log import POLICIES, TRANSACTIONS, Log
from storage.objects import ObjectStore
from storage.parts import Folder
from storage.policies import read_timeline

LEAST_FREE = 1 << 30
"""Bytes that the data folder's disk should have left."""
MOST_AHEAD = 1_000_000
"""Microseconds that an append time may lie ahead of this machine's clock: what a message needs anyway, and some."""
EPOCH_2024 = 1_704_067_200_000_000
"""Microseconds; a clock before this was never set."""


class DiskUsage(Protocol):
    """What `shutil.disk_usage` says."""

    @property
    def free(self) -> int:
        """Bytes left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    part: str
    """log, clock, policy, store or data."""
    is_well: bool
    says: str
    """One line; where something is wrong, also what to do."""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list of findings instead of lines.")] = False,
) -> None:
    """Look at every part; say what is wrong and what to do.

    Parts are log, clocks, policy, store and data folder.

    Exits with 1 when something is wrong.

    Example: fraud doctor --json
    """
    findings = list(examine(Settings(), now=time.time_ns() // 1000))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{finding.part:<7} {'ok' if finding.is_well else 'WRONG':<6} {finding.says}")
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)


def examine(settings: Settings, now: int) -> Iterator[Finding]:
    """Look at every part, whatever the others say; `now` in microseconds since the epoch."""
    yield from _with_log(settings, now)
    yield from _with_store(settings)
    yield from _looked("data", lambda: look_at_data(settings.data_dir))


def _with_log(settings: Settings, now: int) -> Iterator[Finding]:
    try:
        log = open_log(settings)
    except FraudError as error:
        yield Finding(part="log", is_well=False, says=str(error))
        return
    try:
        found = list(_looked("log", lambda: look_at_log(log, settings.log)))
        yield from found
        if all(finding.is_well for finding in found):
            yield from _looked("clock", lambda: look_at_clock(log, now))
            yield from _looked("policy", lambda: look_at_policy(log, settings, now))
    finally:
        log.close()


def _with_store(settings: Settings) -> Iterator[Finding]:
    try:
        store = open_store(settings)
    except FraudError as error:
        yield Finding(part="store", is_well=False, says=str(error))
        return
    try:
        yield from _looked("store", lambda: look_at_store(store))
    finally:
        store.close()


def _looked(part: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds; a part that cannot be looked at is a finding."""
    try:
        yield from look()
    except FraudError as error:
        yield Finding(part=part, is_well=False, says=str(error))


def look_at_log(log: Log, name: str) -> Iterator[Finding]:
    """Brokers answer; topics exist, carry append times and are kept long enough."""
    problems = log.problems()
    for problem in problems:
        yield Finding(part="log", is_well=False, says=problem.says)
    if not problems:
        kind = "embedded log" if log.embedded else "Kafka"
        partitions = log.partitions(TRANSACTIONS)
        yield Finding(
            part="log", is_well=True, says=f"{kind} at {name}: every topic as it should be, {partitions} partitions"
        )


def look_at_clock(log: Log, now: int) -> Iterator[Finding]:
    """This machine's clock is set, and no broker's runs ahead of it."""
    if now < EPOCH_2024:
        yield Finding(part="clock", is_well=False, says="this machine's clock was never set: set it, with NTP")
        return
    ahead = [
        (received_at - now, f"{topic}-{partition}")
        for topic in (TRANSACTIONS, POLICIES)
        for partition in range(log.partitions(topic))
        if (received_at := _newest(log, topic, partition)) is not None and received_at > now + MOST_AHEAD
    ]
    if ahead:
        by, where = max(ahead)
        says = f"the broker of {where} is {by / 1e6:.1f} s ahead of this machine: keep all clocks with NTP"
        yield Finding(part="clock", is_well=False, says=says)
    else:
        yield Finding(part="clock", is_well=True, says="no broker's clock is ahead of this machine's")


def _newest(log: Log, topic: str, partition: int) -> int | None:
    """Append time of a partition's last record."""
    first, end = log.bounds(topic, partition)
    if first == end:
        return None
    return next((record.received_at for record in log.read(topic, partition, end - 1)), None)


def look_at_policy(log: Log, settings: Settings, now: int) -> Iterator[Finding]:
    """A policy is in force or about to be, and everything that it names is there."""
    timeline = read_timeline(log)
    in_force, coming = timeline.in_force(now), timeline.latest
    if coming is None:
        yield Finding(
            part="policy", is_well=False, says="nothing is decided yet, no policy was published: run `fraud init`"
        )
        return
    named = [coming] if in_force is None or in_force.hash == coming.hash else [in_force, coming]
    missing = [line for policy in named for line in _missing(policy, settings)]
    for line in missing:
        yield Finding(part="policy", is_well=False, says=line)
    if not missing:
        model = "rules alone" if coming.model is None else f"model {coming.model[:12]}"
        when = "in force" if in_force is not None and in_force.hash == coming.hash else "about to take effect"
        says = f"{coming.hash[:12]} is {when}: {model}, {len(timeline.voids)} void records"
        yield Finding(part="policy", is_well=True, says=says)


def _missing(policy: Policy, settings: Settings) -> Iterator[str]:
    """What a policy names and this machine does not have; a consumer would stop there."""
    name = policy.hash[:12]
    if policy.engine_version != ENGINE_VERSION:
        yield (
            f"policy {name} needs engine version {policy.engine_version}, this release has {ENGINE_VERSION}: run that release, "
            f"or hand the policy over to this one: `fraud policy hand-over --from-engine {policy.engine_version}`"
        )
        return
    if policy.model is not None:
        try:
            scorer_of(settings, policy.model)
        except FraudError as error:
            yield f"policy {name} cannot be followed: {error}"
    objects = ObjectStore(settings.data_dir)
    hashes = [*policy.lists.values(), *([policy.label_memory] if policy.label_memory else [])]
    for wanted in hashes:
        if wanted not in objects:
            yield f"policy {name} names object {wanted[:12]}, missing under {objects.place}: copy it there"


def look_at_store(store: FlagStore) -> Iterator[Finding]:
    """The store answers and is prepared."""
    problems = store.problems()
    for problem in problems:
        yield Finding(part="store", is_well=False, says=problem)
    if not problems:
        processes = len(store.heartbeats())
        kind = "embedded store" if store.embedded else "store"
        yield Finding(
            part="store", is_well=True, says=f"{kind} answers and is prepared; {processes} processes have reported"
        )


def look_at_data(data_dir: str, usage: Callable[[Path], DiskUsage] = shutil.disk_usage) -> Iterator[Finding]:
    """The data folder takes files, and its disk has room."""
    try:
        folder = Folder.at(data_dir)
        folder.make()
        folder.write(".doctor", b"a probe, removed at once\n")
        folder.remove(".doctor")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        says = f"{data_dir} takes no files ({reason}): give this user write permission, or set FRAUD_DATA_DIR"
        yield Finding(part="data", is_well=False, says=says)
        return
    if "://" in data_dir:
        yield Finding(part="data", is_well=True, says=f"{data_dir} takes files")
        return
    free = usage(Path(data_dir)).free
    if free < LEAST_FREE:
        says = f"{data_dir} has {free / 1e9:.2f} GB left: free some, or move FRAUD_DATA_DIR to another disk"
        yield Finding(part="data", is_well=False, says=says)
    else:
        yield Finding(part="data", is_well=True, says=f"{data_dir} takes files; {free / 1e9:.0f} GB left")
