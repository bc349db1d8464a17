"""Names for display: topic `users` copied into the store. Never used for a decision."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import structlog

from consumer.status import Status
from fraud.errors import LogError, StoreError
from fraud.schema import User
from storage.flags.flag_store import FlagStore
from storage.logs.log import USERS, Log

log = structlog.get_logger()

EVERY = 5.0
"""Seconds (monotonic)."""
AT_ONCE = 5_000
"""Users of one write."""


@dataclass(slots=True, kw_only=True)
class UsersChore:
    """Copies what came since the last time. Only the member that has partition 0 of the payments does it."""

    source: Log
    store: FlagStore
    is_mine: Callable[[], bool]
    monotonic: Callable[[], float]
    _at: float = field(default=-1e9)
    _next: dict[int, int] = field(default_factory=dict)

    def due(self, _status: Status) -> None:
        """Copy; a store or log that is away is tried again later."""
        if self.monotonic() - self._at < EVERY or not self.is_mine():
            return
        self._at = self.monotonic()
        try:
            for partition in range(self.source.partitions(USERS)):
                self._copy(partition)
        except (LogError, StoreError) as error:
            log.warning("users_not_copied", reason=str(error))

    def _copy(self, partition: int) -> None:
        first, end = self.source.bounds(USERS, partition)
        start = max(first, self._next.get(partition, first))
        users: list[User] = []
        for record in self.source.read(USERS, partition, start, end):
            try:
                users.append(msgspec.json.decode(record.value or b"", type=User))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                log.warning("user_unreadable", partition=partition, offset=record.offset)
            if len(users) >= AT_ONCE:
                self.store.put_users(users)
                users = []
        if users:
            self.store.put_users(users)
        self._next[partition] = end
