"""How things stand: what heartbeats and counters say about the road from payment to flag. Pure; both views read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dashboard.periods import ago
from storage.flags.flag_store import Heartbeat

SILENT_AFTER = timedelta(seconds=15)
"""Three missed heartbeats: the process is gone, stuck, or cut off from the store."""
QUIET_AFTER = timedelta(minutes=5)
"""No payment for so long is worth a word even where everything runs."""
FORGOTTEN_AFTER = timedelta(hours=1)
"""A process silent for so long was stopped on purpose: not worth a row."""
CONSUMER = "consumer"


class Level(StrEnum):
    """How loud."""

    GOOD = "good"
    QUIET = "quiet"
    """Worth a glance: nothing arrives, or a consumer is not running normally."""
    STALE = "stale"
    """What the page shows is old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One line for the top of every page."""

    level: Level
    text: str


def judge(heartbeats: Sequence[Heartbeat], newest: datetime | None, now: datetime) -> Status:
    """What to say, from every process's last heartbeat and the newest received-minute with a payment in it."""
    deciding = consumers(heartbeats)
    if not deciding:
        return Status(level=Level.STALE, text="No consumer has ever reported here: nothing is being decided.")
    alive = [beat for beat in deciding if is_alive(beat, now)]
    if not alive:
        last = max(beat.at for beat in deciding)
        return Status(level=Level.STALE, text=f"Stale: no consumer heartbeat for {ago(last, now)}. Figures are old.")
    return _of_alive(alive, newest, now)


def consumers(heartbeats: Sequence[Heartbeat]) -> list[Heartbeat]:
    """The processes that decide."""
    return [beat for beat in heartbeats if beat.role == CONSUMER]


def is_alive(beat: Heartbeat, now: datetime) -> bool:
    """Whether the process reported within the last 15 seconds and is not on its way out."""
    return now - beat.at <= SILENT_AFTER


def remembered(heartbeats: Sequence[Heartbeat], now: datetime) -> list[Heartbeat]:
    """Processes worth a row: alive, or silent since less than an hour; by role, then name."""
    recent = [beat for beat in heartbeats if now - beat.at <= FORGOTTEN_AFTER]
    return sorted(recent, key=lambda beat: (beat.role, beat.process))


def in_force(heartbeats: Sequence[Heartbeat], now: datetime) -> list[Mapping[str, Any]]:
    """The distinct policies that living consumers (else the last one heard) decide under; more than one is worth a word."""
    deciding = consumers(heartbeats)
    alive = [beat for beat in deciding if is_alive(beat, now)] or sorted(deciding, key=lambda beat: beat.at)[-1:]
    policies = [mapping(beat.facts, "policy") for beat in alive]
    return list({str(policy.get("hash")): policy for policy in policies if policy}.values())


def lag_by_partition(heartbeats: Sequence[Heartbeat], now: datetime) -> dict[int, int]:
    """Records not yet decided, over all living consumers; where two name a partition, the later heartbeat counts."""
    lag: dict[int, int] = {}
    for beat in sorted(consumers(heartbeats), key=lambda beat: beat.at):
        if is_alive(beat, now):
            lag |= {int(partition): int(records) for partition, records in mapping(beat.facts, "lag").items()}
    return dict(sorted(lag.items()))


def mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A fact that should be a mapping; empty where it is missing or something else."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def listing(facts: Mapping[str, Any], name: str) -> list[Any]:
    """A fact that should be a list; empty where it is missing or something else."""
    found = facts.get(name)
    return list(found) if isinstance(found, list | tuple) else []


def number(facts: Mapping[str, Any], name: str) -> float | None:
    """A fact that should be a number; None where it is missing or something else."""
    found = facts.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _of_alive(alive: Sequence[Heartbeat], newest: datetime | None, now: datetime) -> Status:
    troubled = [beat for beat in alive if beat.state != "running"]
    if troubled:
        why = troubled[0].facts.get("paused_because")
        because = f": {why}" if why else ""
        return Status(level=Level.QUIET, text=f"{troubled[0].process} is {troubled[0].state}{because}")
    if newest is None or now - newest > QUIET_AFTER + timedelta(minutes=1):
        since = "in this period" if newest is None else f"for {ago(newest, now)}"
        return Status(level=Level.QUIET, text=f"The consumer runs, but no payment has arrived {since}.")
    many = f"{len(alive)} consumers" if len(alive) > 1 else "consumer"
    return Status(level=Level.GOOD, text=f"Live, {many} running")
