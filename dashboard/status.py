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
GONE_AFTER = timedelta(minutes=10)
"""A process silent for so long does not come back."""
CONSUMER = "consumer"
STOPPING = "stopping"
"""The last word of a process that ends cleanly."""
FAILED = "failed"
"""The last word of one that must not go on."""


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
        last = max(deciding, key=lambda beat: beat.at)
        if has_ended(last):
            left = f"the last one ended {how_it_ended(last)} {ago(last.at, now)} ago"
            return Status(level=Level.STALE, text=f"No consumer runs, {left}. Figures are old.")
        return Status(level=Level.STALE, text=f"Stale: no consumer heartbeat for {ago(last.at, now)}. Figures are old.")
    return _of_alive(alive, newest, now)


def consumers(heartbeats: Sequence[Heartbeat]) -> list[Heartbeat]:
    """The processes that decide."""
    return [beat for beat in heartbeats if beat.role == CONSUMER]


def is_alive(beat: Heartbeat, now: datetime) -> bool:
    """Whether the process reported within the last 15 seconds and is not on its way out."""
    return now - beat.at <= SILENT_AFTER and not has_ended(beat)


def has_ended(beat: Heartbeat) -> bool:
    """Whether the process said that it ends."""
    return beat.state in (STOPPING, FAILED)


def how_it_ended(beat: Heartbeat) -> str:
    """In words, for a process that is gone."""
    return {STOPPING: "cleanly", FAILED: "with an error"}.get(beat.state, f"without a word, while {beat.state}")


def current(heartbeats: Sequence[Heartbeat], now: datetime) -> list[Heartbeat]:
    """Processes that run, or fell silent within the last ten minutes without a word; by role, then name."""
    found = [beat for beat in heartbeats if not _is_gone(beat, now)]
    return sorted(found, key=lambda beat: (beat.role, beat.process))


def gone(heartbeats: Sequence[Heartbeat], now: datetime) -> list[Heartbeat]:
    """Processes that ended, cleanly or not: those that were heard last come first."""
    return sorted((beat for beat in heartbeats if _is_gone(beat, now)), key=lambda beat: beat.at, reverse=True)


def warnings(heartbeats: Sequence[Heartbeat], now: datetime) -> list[str]:
    """What current processes found wrong with the log when they started, each line once."""
    found = [str(line) for beat in current(heartbeats, now) for line in listing(beat.facts, "warnings")]
    return list(dict.fromkeys(found))


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


def _is_gone(beat: Heartbeat, now: datetime) -> bool:
    return has_ended(beat) or now - beat.at > GONE_AFTER


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
