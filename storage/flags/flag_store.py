"""The flag store: what the consumer writes and the dashboard reads. Two implementations: MongoDB and SQL (SQLite, PostgreSQL).

Every write is safe to repeat: flags are inserted once by id and never overwritten, minute counters are whole values replaced
only by a higher offset. One contract suite in `tests/storage/flags/` runs over every implementation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fraud.schema import User
from storage.flags.encoded import Encoded

if TYPE_CHECKING:
    import pandas as pd


class TimeField(StrEnum):
    """Which clock a query runs on."""

    RECEIVED_AT = "received_at"
    EVENT_TIME = "event_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """Counters of one partition and one minute of `received_at`: whole values, replaced only by a higher `up_to_offset`."""

    log_id: str
    group: str
    partition: int
    minute: datetime
    """Start of the minute, UTC."""
    up_to_offset: int
    """Offset of the last record counted in."""
    seen: int
    decided: int
    duplicates: int
    before_policy: int
    dead: Mapping[str, int]
    """By reason."""
    flagged: int
    spend: Mapping[str, int]
    """Approved spend by currency, minor units."""
    id_reused: int = 0
    history_incomplete: int = 0
    unknown_fields: int = 0
    no_limit: int = 0
    """Payments in a currency without a limit in a `high_amount` rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What one process says of itself every 5 seconds; one document per process, replaced."""

    process: str
    """Stable name: role, host and pid."""
    role: str
    at: datetime
    started_at: datetime
    log_id: str
    group: str
    state: str
    """starting, running, paused, restoring; at the end stopping, or failed."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Lag by partition, rate, latency quantiles, policy in force and refused, users and bytes in state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagFilter:
    """What an analyst asks for; time is always bounded on both sides: since <= t < until."""

    since: datetime
    until: datetime
    time: TimeField = TimeField.RECEIVED_AT
    severities: Sequence[str] = ()
    rules: Sequence[str] = ()
    users: Sequence[str] = ()
    countries: Sequence[str] = ()
    min_amount: float | None = None
    text: str = ""
    """Case-insensitive part of the transaction id, user id, merchant name or city."""


class Place(NamedTuple):
    """Which payment a stored flag says it is about."""

    flag_id: str
    partition: int | None
    offset: int | None
    """None where somebody put a flag there that has none."""


class FlagStore(Protocol):
    """Where flags, counters and heartbeats live."""

    embedded: bool

    def prepare(self) -> None:
        """Create collections or tables and indexes; safe to repeat. Raises StoreError."""
        ...

    def store(self, flags: Sequence[Encoded], minutes: Sequence[Minute]) -> None:
        """Insert flags that are not there yet (never overwriting) and replace older minutes; durable on return.

        Flags come encoded, so none that a store cannot hold ever blocks its neighbours. Raises StoreError when the store did
        not take everything: repeat the whole call.
        """
        ...

    def beat(self, heartbeat: Heartbeat) -> None:
        """Replace this process's heartbeat."""
        ...

    def put_users(self, users: Sequence[User]) -> None:
        """Upsert users for display."""
        ...

    def flags(self, wanted: FlagFilter, limit: int, skip: int = 0) -> list[dict[str, Any]]:
        """Flags as documents (`_id` and the fields of `Flag`, datetimes aware UTC), newest first by the filter's clock, then by `_id`."""
        ...

    def flag(self, flag_id: str) -> dict[str, Any] | None:
        """One flag."""
        ...

    def flags_by_id(self, flag_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those of these flags that are stored, as documents."""
        ...

    def decided(self, log_id: str, group: str, since: datetime, until: datetime) -> Iterator[Place]:
        """Where every flag of one log and group lies that was received in the period, since <= t < until.

        The oldest first, the order of `flags` reversed; however many there are, some at a time are read.
        """
        ...

    def flag_count(self, wanted: FlagFilter) -> int:
        """How many flags the filter finds."""
        ...

    def flags_per_bucket(self, wanted: FlagFilter, seconds: int) -> "pd.DataFrame":
        """Columns bucket (datetime64[us, UTC], start), severity, currency, flags (int), amount (float, major units)."""
        ...

    def top_users(self, wanted: FlagFilter, limit: int) -> "pd.DataFrame":
        """Columns user_id, flags, amount, worst (severity), last (datetime): most flags first, then user_id."""
        ...

    def choices(self, wanted: FlagFilter) -> dict[str, list[str]]:
        """Values present in the period for the filters: severities, rules, countries."""
        ...

    def minutes(self, since: datetime, until: datetime) -> "pd.DataFrame":
        """Minute counters, one row per log id, group, partition and minute; `dead` and `spend` as dicts."""
        ...

    def heartbeats(self) -> list[Heartbeat]:
        """The latest of every process."""
        ...

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """What is known for display."""
        ...

    def existing(self, flag_ids: Sequence[str]) -> set[str]:
        """Which of these flags are stored."""
        ...

    def problems(self) -> list[str]:
        """What `fraud doctor` says about this store: one line each, empty when all is well."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...
