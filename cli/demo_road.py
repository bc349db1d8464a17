"""What every demonstration does: a population, its history as Parquet, and that history through the embedded log."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from cli.connect import topics
from cli.rules_file import read_rules
from cli.settings import Settings
from fraud.decision import micros
from fraud.policy import DELAY, Policy, file_hash
from fraud.schema import Label, Transaction
from fraud.window_columns import SECOND
from models import point_in_time
from models.point_in_time import Sight
from models.train import train_and_save
from producer.history import write_history
from producer.population import Population
from storage import past
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import LABELS, TRANSACTIONS, USERS
from storage.policies import publish

HISTORY = timedelta(weeks=8)
MATURITY = timedelta(days=21)
WARM_UP = timedelta(days=10)
PARTITIONS = 4
Progress = Callable[[int], None]


@dataclass(slots=True, kw_only=True)
class DemoRoad:
    """One demonstration in one data folder, with a log whose clock follows the simulation."""

    settings: Settings
    population: Population
    start: datetime
    """First moment of history."""
    end: datetime
    """Last moment of history; live payments begin here."""
    clock: int = 0
    """Simulated append time, microseconds."""
    payments: int = 0
    """How many history holds."""
    log: EmbeddedLog = field(init=False)

    def __post_init__(self) -> None:
        """Open the log with the simulated clock."""
        self.clock = micros(self.start)
        self.log = EmbeddedLog(Path(self.settings.log.removeprefix("embedded:")), lambda: self.clock)

    def write_history(self, on_progress: Progress) -> int:
        """Weeks of payments and labels as Parquet."""
        return write_history(
            self.population, self.start, self.end, self.settings.data_dir, on_progress, reported_until=self.end
        )

    def open(self) -> None:
        """Topics, users, and a first policy of rules alone, in effect when history begins."""
        self.log.create(topics(self.settings))
        self.clock -= DELAY // timedelta(microseconds=1)
        rules, text = read_rules(self.settings.rules_file)
        first = Policy(rules=rules, watched_file=file_hash(text))
        publish(self.log, lambda _none: first)
        self.clock = micros(self.start)
        publisher = self.log.publisher()
        for user in self.population.describe(0, self.population.users):
            publisher.send(USERS, user.user_id.encode(), msgspec.json.encode(user))
        publisher.close()

    def publish_history(self, on_progress: Progress) -> None:
        """The Parquet history through the log, each payment appended when it happened."""
        self.publish(past.events(self.settings.data_dir, self.start, self.end), on_progress)

    def publish(self, events: Iterable[Transaction | Label], on_progress: Progress) -> int:
        """Append events at their own time; returns how many payments."""
        publisher = self.log.publisher()
        encoder = msgspec.json.Encoder()
        payments = 0
        for event in events:
            if isinstance(event, Label):
                self.clock = max(self.clock, micros(event.reported_at))
                publisher.send(LABELS, event.user_id.encode(), encoder.encode(event))
                continue
            self.clock = max(self.clock, micros(event.event_time) + SECOND)
            publisher.send(TRANSACTIONS, event.user_id.encode(), encoder.encode(event))
            payments += 1
            on_progress(1)
        publisher.close()
        return payments

    def train(self, on_progress: Progress) -> str:
        """Train on the Parquet history as it was known at its end; the model's id."""
        rules, _ = read_rules(self.settings.rules_file)
        sight = Sight(
            as_of=self.end,
            maturity=MATURITY,
            warm_up=WARM_UP,
            default_currency=rules.default_currency,
            moving=rules.moving,
        )
        data = point_in_time.load(self.settings.data_dir, sight, on_progress)
        return train_and_save(self.settings.data_dir, data, sight).model.model_id


def settings_in(folder: Path, base: Settings) -> Settings:
    """Embedded log and store in a folder, everything else as it was set."""
    return base.model_copy(
        update={
            "log": f"embedded:{folder.absolute() / 'log'}",
            "store": type(base.store)(f"sqlite:///{folder.absolute() / 'flags.db'}"),
            "data_dir": str(folder.absolute()),
            "partitions": PARTITIONS,
            "group": "fraud",
            "member": None,
        }
    )
