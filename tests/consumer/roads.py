"""A small road for consumer tests: an embedded log, a SQLite store, and consumers that read to the end."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cli import archive
from cli.connect import open_log, open_store, topics
from cli.consume import build
from cli.settings import Settings
from consumer.loop import Loop
from fraud.decision import micros
from fraud.policy import DELAY, Policy
from fraud.rule_file import rule_set_of
from fraud.schema import Transaction
from storage.flags.flag_store import FlagFilter, FlagStore
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import DEAD_LETTERS, TRANSACTIONS
from storage.policies import publish
from tests.builders import NOON

RULES = """
version: 1
default_currency: EUR
rules:
  - {id: high-amount, kind: high_amount, limit: {EUR: 100}, severity: medium}
  - {id: burst, kind: high_frequency, limit: 2, window: 5m, severity: high}
"""
STRICTER = RULES.replace("EUR: 100", "EUR: 50")


class Road:
    """Everything in one folder; the log's clock is the test's."""

    def __init__(self, folder: Path, partitions: int = 2) -> None:
        self.settings = Settings(
            log=f"embedded:{folder}/log",
            store=f"sqlite:///{folder}/flags.db",
            data_dir=str(folder),
            partitions=partitions,
        )
        log = open_log(self.settings)
        assert isinstance(log, EmbeddedLog)
        self.log = log
        self.log.create(topics(self.settings))
        self.store: FlagStore = open_store(self.settings)
        self.store.prepare()
        self.clock = micros(NOON)

    def policy(self, rules: str = RULES, change: Callable[[Policy], Policy] = lambda policy: policy) -> None:
        """Publish rules that take effect at once."""
        understood = rule_set_of(rules, "rules.yaml")

        def next_policy(current: Policy | None) -> Policy:
            return change(current.with_rules(understood) if current else Policy(rules=understood))

        publish(_Clocked(self.log, lambda: self.clock), next_policy)
        self.clock += DELAY // timedelta(microseconds=1)

    def send(self, payments: Iterable[Transaction | bytes], seconds: float = 1.0) -> int:
        """Append payments, `seconds` of append time apart."""
        publisher = self.log.publisher(lambda: self.clock)
        count = 0
        for payment in payments:
            self.clock += int(seconds * 1e6)
            key = b"broken" if isinstance(payment, bytes) else payment.user_id.encode()
            value = payment if isinstance(payment, bytes) else msgspec.json.encode(payment)
            publisher.send(TRANSACTIONS, key, value)
            count += 1
        publisher.close()
        return count

    def consumer(self, *, records: int, at_once: int = 5_000) -> Loop:
        """A consumer that leaves after so many records."""
        settings = self.settings.model_copy(update={"batch_size": at_once})
        loop = build(settings, self.log, self.store, watch=False)
        loop.until = lambda status: status.seen >= records
        return loop

    def consume(self, *, records: int, at_once: int = 5_000) -> Loop:
        """Run one."""
        loop = self.consumer(records=records, at_once=at_once)
        try:
            loop.run()
        finally:
            loop.close()
        return loop

    def archiver(self, name: str, *, records: int, at_once: int = 5_000) -> Loop:
        """An archive in a folder and a group of its own, that leaves after so many records."""
        folder = self.archive_folder(name)
        settings = self.settings.model_copy(update={"batch_size": at_once, "data_dir": str(folder), "group": name})
        loop = archive.build(settings, self.log, self.store)
        loop.until = lambda status: status.seen >= records
        return loop

    def archive(self, name: str, *, records: int, at_once: int = 5_000) -> Loop:
        """Run one."""
        loop = self.archiver(name, records=records, at_once=at_once)
        try:
            loop.run()
        finally:
            loop.close()
        return loop

    def archive_folder(self, name: str) -> Path:
        """Where it writes."""
        return Path(self.settings.data_dir) / name

    def flags(self) -> list[dict[str, Any]]:
        """Every stored flag by id, without what differs from run to run."""
        found = self.store.flags(FlagFilter(since=EARLY, until=LATE), 10_000)
        return sorted(({**flag, "decided_at": None, "log_id": None} for flag in found), key=lambda flag: flag["_id"])

    def minutes(self) -> list[Any]:
        """Every minute counter, by partition and minute."""
        found = self.store.minutes(EARLY, LATE).drop(columns="log_id")
        return found.sort_values(["partition", "minute"]).to_dict("records")

    def dead(self) -> list[dict[str, Any]]:
        """Every dead letter."""
        return [msgspec.json.decode(record.value or b"") for record in self.log.read(DEAD_LETTERS, 0, 0)]


EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


class _Clocked:
    """The log with the test's clock in its publishers."""

    def __init__(self, log: EmbeddedLog, clock: Callable[[], int]) -> None:
        self._log, self._clock = log, clock

    def publisher(self) -> Any:
        return self._log.publisher(self._clock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)
