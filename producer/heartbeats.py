"""The producer's sign of life in the store, for the dashboard's health view. Never needed: a store that is away is left alone."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from fraud.errors import StoreError
from storage.flags.flag_store import FlagStore, Heartbeat

EVERY = 5.0
"""Seconds."""


class Heartbeats:
    """Beats in a thread of its own while the block runs, and once more at its end."""

    def __init__(
        self, store: FlagStore, process: str, log_id: str, group: str, facts: Callable[[], Mapping[str, Any]]
    ) -> None:
        """`process` is a stable name; `facts` says what the producer has done so far."""
        self._store = store
        self._process = process
        self._log_id = log_id
        self._group = group
        self._facts = facts
        self._started_at = datetime.now(UTC)
        self._is_heard = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="producer-heartbeats")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Say that it stops, to a store that listened before."""
        self._stop.set()
        self._thread.join(EVERY)
        if self._is_heard and not self._thread.is_alive():
            self.beat("stopping")

    def beat(self, state: str) -> bool:
        """Say now what is; whether the store took it."""
        try:
            self._store.beat(
                Heartbeat(
                    process=self._process,
                    role="producer",
                    at=datetime.now(UTC),
                    started_at=self._started_at,
                    log_id=self._log_id,
                    group=self._group,
                    state=state,
                    facts=dict(self._facts()),
                )
            )
        except StoreError:
            self._is_heard = False
        else:
            self._is_heard = True
        return self._is_heard

    def _run(self) -> None:
        while True:
            self.beat("running")
            if self._stop.wait(EVERY):
                return
