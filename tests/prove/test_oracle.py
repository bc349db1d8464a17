"""The oracle and the product agree where nothing is broken: so a difference that a proof finds is the fault's doing."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.archive import build as build_archive
from cli.connect import open_log, open_store, topics
from cli.rules_file import read_rules
from cli.settings import Settings
from fraud.decision import micros
from fraud.policy import Policy, encode
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import POLICIES, TRANSACTIONS
from tests.prove.holding import Expected, held
from tests.prove.holding_archive import archived
from tests.prove.outcome import consult
from tests.prove.payments import Traffic
from tests.prove.stage import RULES
from tests.prove.twin_archives import archived_until
from tests.road.again import decide_again

pytestmark = pytest.mark.slow

COUNT = 6_000
BEFORE_POLICY = 500


def test_one_seed_gives_the_same_messages():
    one, other = (Traffic(seed=5, count=2_000, until=datetime(2026, 3, 1, tzinfo=UTC)) for _ in range(2))

    assert list(one.messages()) == list(other.messages())


def test_the_oracle_expects_what_an_unbroken_consumer_stores(tmp_path: Path):
    send(tmp_path / "log")
    consult(f"embedded:{tmp_path}/log", tmp_path / "expected.json")

    found, expected = decide_again(tmp_path, "prove"), Expected(tmp_path / "expected.json")

    with closing(EmbeddedLog(tmp_path / "log")) as log:
        for comparison in held(expected, found, log):
            assert comparison.is_equal, "\n".join(comparison.lines())
    assert expected.messages == COUNT
    assert len(expected.flags) > 20
    assert len(set(expected.dead.values())) > 5


def test_the_oracle_expects_what_an_unbroken_archive_keeps(tmp_path: Path):
    send(tmp_path / "log")
    consult(f"embedded:{tmp_path}/log", tmp_path / "expected.json")
    archive(tmp_path)

    with closing(EmbeddedLog(tmp_path / "log")) as log:
        ends = {partition: archived_until(log, partition) for partition in range(log.partitions(TRANSACTIONS))}
    comparison = archived(Expected(tmp_path / "expected.json"), tmp_path, ends)

    assert comparison.is_equal, "\n".join(comparison.lines())
    assert comparison.equal > COUNT / 2


def archive(folder: Path) -> None:
    """All of the log in a folder, as far as it fills whole files."""
    settings = Settings(log=f"embedded:{folder}/log", store=f"sqlite:///{folder}/flags.db", data_dir=str(folder))
    with closing(open_log(settings)) as log, closing(open_store(settings)) as store:
        store.prepare()
        loop = build_archive(settings, log, store)
        loop.until = lambda status: status.seen >= COUNT
        with closing(loop):
            loop.run()


def send(folder: Path) -> None:
    """Payments with everything that is wrong with them, the first before any policy, over an hour that has passed."""
    since = datetime.now(UTC) - timedelta(hours=2)
    now = micros(since)
    with closing(EmbeddedLog(folder)) as log:
        log.create(topics(Settings(partitions=2)))
        with closing(log.publisher(lambda: now)) as publisher:
            for number, (key, value) in enumerate(Traffic(seed=2, count=COUNT, until=since, malformed=0.03).messages()):
                if number == BEFORE_POLICY:
                    publisher.send(POLICIES, None, encode(Policy(rules=read_rules(RULES)[0])))
                now += 3_600_000_000 // COUNT
                publisher.send(TRANSACTIONS, key, value)
