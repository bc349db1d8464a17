"""The heartbeat: what this process says of itself in the store, every five seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from consumer.deciding import Decider
from consumer.policies import PolicyReader
from consumer.status import Status
from fraud.decision import micros, moment
from fraud.errors import LogError, StoreError
from storage.flags.flag_store import FlagStore, Heartbeat
from storage.logs.log import GroupReader

log = structlog.get_logger()

EVERY = 5.0
"""Seconds (monotonic)."""


@dataclass(slots=True, kw_only=True)
class HeartbeatChore:
    """Writes the heartbeat when it is due, and on every change of state."""

    store: FlagStore
    reader: GroupReader
    decider: Decider
    policies: PolicyReader
    process: str
    role: str = "consumer"
    started_at: datetime
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    refused: Callable[[], list[dict[str, Any]]]
    """What the watcher refused, newest last."""
    more: Callable[[], dict[str, Any]] = dict
    """Facts of this role alone."""
    _at: float = field(default=-1e9)
    _state: str = ""

    def due(self, status: Status) -> None:
        """Beat unless that was done just now; a store that is away is no reason to stop."""
        now = self.monotonic()
        if now - self._at < EVERY and status.state == self._state:
            return
        self._at, self._state = now, status.state
        windows = self.decider.engine.windows_by_partition
        status.remembers({partition: one.newest for partition, one in windows.items()})
        heartbeat = Heartbeat(
            process=self.process,
            role=self.role,
            at=self.now(),
            started_at=self.started_at,
            log_id=self.decider.log_id,
            group=self.decider.group,
            state=status.state,
            facts=status.facts() | self._state_facts(status) | self._policy_facts() | self.more(),
        )
        try:
            self.store.beat(heartbeat)
        except StoreError as error:
            log.warning("heartbeat_not_stored", reason=str(error))

    def _state_facts(self, status: Status) -> dict[str, Any]:
        lag = {} if status.waits_for == "log" else self._lag()  # it would be waited for, and nobody heard meanwhile
        windows = self.decider.engine.windows_by_partition.values()
        users, size = sum(one.users() for one in windows), sum(one.bytes() for one in windows)
        status.metrics.users.set(users)
        status.metrics.state_bytes.set(size)
        for partition, records in lag.items():
            status.metrics.lag.labels(partition).set(records)
        return {"lag": lag, "users_in_state": users, "state_bytes": size}

    def _lag(self) -> dict[str, int]:
        try:
            positions = {partition: state.next_offset for partition, state in sorted(self.decider.states.items())}
            ends = self.reader.end_offsets(list(positions))
            return {str(partition): max(0, ends[partition] - position) for partition, position in positions.items()}
        except LogError as error:
            log.warning("lag_unknown", reason=str(error))
            return {}

    def _policy_facts(self) -> dict[str, Any]:
        timeline = self.policies.timeline
        policy = timeline.in_force(micros(self.now()))
        voids = [f"offset {void.offset}: {void.reason}" for void in timeline.voids[-10:]]
        facts: dict[str, Any] = {"voids": voids, "refused": self.refused(), "policy": None}
        if policy is not None:
            effective_at = timeline.effective_at(policy)
            facts["policy"] = {
                "hash": policy.hash,
                "model": policy.model,
                "rules": len(policy.rules.rules),
                "effective_at": moment(effective_at),
            }
        return facts
