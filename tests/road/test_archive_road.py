"""An archive of real Kafka holds the same bytes as one of the same log without a server."""

import hashlib
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli import archive
from cli.connect import open_log, open_store, topics
from cli.settings import Settings
from consumer.label_archiving import LabelChore
from consumer.loop import Loop
from consumer.status import Status
from fraud.schema import Label, LabelSource, LabelValue
from storage import labels
from storage.archive import Archive
from storage.logs.copying import import_topics
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import LABELS, POLICIES, TRANSACTIONS, Log
from storage.ranges import OFFSETS
from tests.builders import NOON, transaction
from tests.road.kafka_road import forget_topics

PATIENCE = 60.0


@pytest.fixture
def kafka_log(kafka: Any, tmp_path: Path) -> Iterator[tuple[Log, Settings]]:
    forget_topics(kafka)
    name = uuid.uuid4().hex[:8]
    settings = Settings(
        log=f"kafka://{kafka.bootstrap}",
        store=f"sqlite:///{tmp_path}/flags.db",
        data_dir=str(tmp_path / "kafka"),
        partitions=1,
        group=f"archive-{name}",
    )
    with closing(open_log(settings)) as log:
        log.create(topics(settings))
        yield log, settings
    forget_topics(kafka)


@pytest.mark.timeout(300)
def test_kafka_and_the_embedded_log_give_the_same_files(kafka_log: tuple[Log, Settings], tmp_path: Path) -> None:
    log, settings = kafka_log
    send(log)
    archived(settings, log, or_after=OFFSETS // 2)
    archived(settings, log)

    with closing(EmbeddedLog(tmp_path / "copy")) as copy:
        import_topics(log, copy, [TRANSACTIONS, LABELS, POLICIES])
        copy.create(topics(settings))
        archived(settings.model_copy(update={"data_dir": str(tmp_path / "embedded")}), copy)

    found = files(tmp_path / "kafka")
    assert found == files(tmp_path / "embedded") != {}
    assert {path.split("/")[0] for path in found} == {"decisions", "labels"}
    assert Archive(tmp_path / "kafka").files(0)[-1].end_offset == OFFSETS
    assert len(labels.load(tmp_path / "kafka", NOON)) == 1


def send(log: Log) -> None:
    """A whole range of each topic and the beginning of the next: a few payments among what cannot be read, and labels."""
    publisher = log.publisher()
    said = Label(
        transaction_id="t-0", user_id="u-0", source=LabelSource.CUSTOMER, label=LabelValue.FRAUD, event_time=NOON,
        reported_at=NOON,
    )  # fmt: skip
    label = msgspec.json.encode(said)
    for number in range(OFFSETS + 10):
        payment = transaction(transaction_id=f"t-{number}", user_id=f"u-{number % 50}", after=number)
        publisher.send(TRANSACTIONS, b"u", b"broken" if number % 20 else msgspec.json.encode(payment))
        publisher.send(LABELS, b"u", label)
    publisher.close()


def archived(settings: Settings, log: Log, or_after: int = 10**9) -> None:
    """Run an archive until it stands at the end of both topics, or has read so many payments."""
    with closing(open_store(settings)) as store:
        store.prepare()
        loop = archive.build(settings, log, store)
        loop.until = at_the_end(loop, log, or_after)
        try:
            loop.run()
        finally:
            loop.close()


def at_the_end(loop: Loop, log: Log, or_after: int) -> Any:
    [chore] = [chore for chore in loop.chores if isinstance(chore, LabelChore)]
    end, deadline = OFFSETS + 10, time.monotonic() + PATIENCE

    def is_done(status: Status) -> bool:
        payments = [state.next_offset for state in loop.decider.states.values()]
        said = [one.next_offset for one in chore._open.values()]
        assert time.monotonic() < deadline, f"the archive stands at {payments} and {said}, not at {end}"
        return status.seen >= or_after or payments == said == [end]

    return is_done


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("part-*")
    }
