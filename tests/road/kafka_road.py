"""The product as it is run in production: Kafka, MongoDB, and its own commands as processes between them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import GroupIdNotFoundError

from cli.connect import open_log, open_store
from cli.settings import Settings
from storage.flags.flag_store import FlagStore, Heartbeat
from storage.logs.log import ALL_TOPICS, TRANSACTIONS, Log
from tests.road.commands import Commands
from tests.road.results import Results, results_of
from tests.services.server import wait_until

MOVES_WITHIN = 240.0
"""Seconds within which something must move, on however busy a machine."""


@dataclass(slots=True, kw_only=True)
class KafkaRoad:
    """One deployment; `commands` runs it, the rest looks at what it does."""

    settings: Settings
    commands: Commands
    log: Log
    store: FlagStore
    admin: KafkaAdminClient
    _consumers: list[str] = field(default_factory=list)
    _archives: list[str] = field(default_factory=list)

    def start_consumer(self, name: str, **settings: str) -> None:
        """One more member of the group, with settings of its own."""
        self.commands.start(name, "consume", **settings)
        self._consumers.append(name)

    def stop_consumer(self, name: str) -> int:
        """Ask it to leave; its exit code."""
        self._consumers.remove(name)
        return self.commands.stop(name)

    def start_archive(self, name: str) -> None:
        """A second reader of the log, whose files lie in the road's data folder."""
        self.commands.start(name, "archive")
        self._archives.append(name)

    def wait_for_group(self) -> None:
        """Until every partition has one consumer, and every consumer its share."""
        self._wait(lambda: self._shares_are_even(), "every consumer to hold its share of the partitions")

    def wait_for(self, name: str, seconds: float = 600.0) -> None:
        """Until a command that ends by itself has done so, well."""
        wait_until(lambda: self.commands.is_over(name), f"the end of {name}", seconds, every=0.2)

    def wait_until_decided(self) -> None:
        """Until the group has committed everything that the log holds; every so often something must move."""
        while lag := self.lag():
            self._wait(lambda before=lag: self.lag() < before, f"less lag than {lag:,}")  # type: ignore[misc]

    def lag(self) -> int:
        """Records that the group has not committed."""
        committed: dict[TopicPartition, int] = {}
        with suppress(GroupIdNotFoundError):
            found = self.admin.list_group_offsets(self.settings.group)[self.settings.group]
            committed = {at: place.offset for at, place in found.items()}
        ends = [self.log.bounds(TRANSACTIONS, number)[1] for number in range(self.log.partitions(TRANSACTIONS))]
        return sum(end - max(committed.get(TopicPartition(TRANSACTIONS, n), 0), 0) for n, end in enumerate(ends))

    def results(self) -> Results:
        """What is stored."""
        return results_of(self.store, self.log_id, self.settings.group)

    @property
    def log_id(self) -> str:
        """Identity of the payments' topic."""
        return self.log.topic_id(TRANSACTIONS)

    def partitions_by_consumer(self) -> list[set[str]]:
        """What each running consumer holds, as its heartbeat says."""
        return [set(beat.facts["lag"]) for beat in self.beats() if beat.state == "running"]

    def beats(self) -> list[Heartbeat]:
        """The last heartbeat of each consumer, also of those that left."""
        found = [beat for beat in self.store.heartbeats() if beat.role == "consumer"]
        return [beat for beat in found if beat.group == self.settings.group]

    def _shares_are_even(self) -> bool:
        shares = self.partitions_by_consumer()
        held = Counter(partition for share in shares for partition in share)
        is_whole = len(held) == self.settings.partitions and set(held.values()) == {1}
        return is_whole and len(shares) == len(self._consumers) and all(shares)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Until something holds, while no consumer and no archive leaves by itself."""
        self._wait(condition, what)

    def _wait(self, condition: Callable[[], bool], what: str, every: float = 0.5) -> None:
        def holds() -> bool:
            for name in [*self._consumers, *self._archives]:
                if self.commands.is_over(name):
                    raise RuntimeError(f"{name} has left by itself: {self.commands.tail(name)}")
            return condition()

        wait_until(holds, what, MOVES_WITHIN, every)


@contextmanager
def kafka_road(
    folder: Path, *, bootstrap: str, store: str, rules: Path, group: str, partitions: int = 12
) -> Iterator[KafkaRoad]:
    """A deployment over servers that run, without topics yet; its processes end with the block."""
    variables = {
        "log": f"kafka://{bootstrap}",
        "store": store,
        "data_dir": str(folder),
        "rules_file": str(rules),
        "group": group,
        "partitions": str(partitions),
    }
    settings = Settings(**variables)  # type: ignore[arg-type] # text, as the environment has it
    log, flag_store = open_log(settings), open_store(settings)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    environment = {f"FRAUD_{name.upper()}": value for name, value in variables.items()}
    try:
        with Commands(environment, folder) as commands:
            yield KafkaRoad(settings=settings, commands=commands, log=log, store=flag_store, admin=admin)
    finally:
        admin.close()
        flag_store.close()
        log.close()


def forget_topics(kafka: Any) -> None:
    """The product's topics have fixed names: what an earlier test left in them is not ours to decide."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        present = sorted(set(admin.list_topics()) & set(ALL_TOPICS))
        if present and kafka.pid is None:
            pytest.skip(f"{kafka.bootstrap} has topics of the product, and is not ours to clear")
        if present:
            admin.delete_topics(present)
            wait_until(lambda: not set(admin.list_topics()) & set(present), "the topics to be gone")
    finally:
        admin.close()
