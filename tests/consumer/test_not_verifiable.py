"""What could not be read is never called equal: each reason why something is not verifiable."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from consumer.asked_ranges import Asked
from consumer.policies import Scorers
from fraud.decision import moment
from fraud.engine import Scorer
from fraud.errors import ModelError, PolicyError
from fraud.policy import Policy, encode
from fraud.rule_file import rule_set_of
from storage.logs.log import POLICIES, TRANSACTIONS, Record
from tests.builders import NOON, transaction
from tests.consumer.roads import STRICTER, Road
from tests.consumer.test_restoring import committed_at, expire
from tests.consumer.test_verifying import DAY, change, counts, payments, road, verified

__all__ = ["road"]


def test_a_range_older_than_the_log_is_not_verifiable(road: Road) -> None:
    expire(road, 60)

    found = verified(road)

    assert (found.verdict, found.exit_code) == ("not verifiable", 2)
    assert counts(found)["flags"] == (0, 0, 0, 0)
    reasons = [gap.reason for gap in found.gaps]
    assert reasons[0] == "the log begins at offset 60: they have expired"
    assert "does not reach back far enough" in reasons[-1]
    assert all(gap.start == 0 or gap.end == one.end for gap in found.gaps for one in found.ranges[gap.partition :][:1])


def test_a_period_that_begins_before_the_log_is_not_verifiable(road: Road) -> None:
    expire(road, 60)

    found = verified(road, Asked(since=NOON, until=NOON + timedelta(minutes=5)))

    assert (found.exit_code, counts(found)["flags"]) == (2, (0, 0, 0, 0))
    assert [gap.reason for gap in found.gaps] == ["the log begins at offset 60: they have expired"] * 2


def test_what_was_decided_of_a_log_that_is_shorter_now_is_not_verifiable(road: Road) -> None:
    end = road.log.bounds(TRANSACTIONS, 0)[1]
    committed_at(road, end + 9).close()

    found = verified(road)

    assert counts(found)["flags"] == (len(road.flags()), 0, 0, 0)
    assert [(gap.start, gap.end) for gap in found.gaps] == [(end, end + 9)]
    assert "truncated or replaced" in found.gaps[0].reason
    assert found.exit_code == 2


@pytest.mark.slow
def test_a_missing_flag_counts_more_than_what_is_not_verifiable(tmp_path: Path) -> None:
    road = long_road(tmp_path)
    expire(road, 3)
    change(road, "DELETE FROM flags WHERE id = ?", max(road.flags(), key=lambda flag: flag["offset"])["_id"])

    found = verified(road)

    assert found.exit_code == 1
    assert found.gaps


@pytest.mark.slow
def test_what_no_window_reaches_back_from_is_verifiable_again(tmp_path: Path) -> None:
    road = long_road(tmp_path)
    expire(road, 3)
    [begin] = [record.received_at for record in road.log.read(TRANSACTIONS, 0, 3, 4)]
    whole = [flag for flag in road.flags() if flag["received_at"] > moment(begin) + 38 * DAY]

    found = verified(road)

    assert counts(found)["flags"][1:] == (0, 0, 0)
    assert len(whole) > 900
    assert len(whole) - 1_000 <= counts(found)["flags"][0] <= len(whole) + 50
    assert found.exit_code == 2


def long_road(folder: Path) -> Road:
    """One partition; fifty payments a day for a hundred days, every second one a flag."""
    road = Road(folder, partitions=1)
    road.policy()
    sent = [
        transaction(transaction_id=f"t-{number}", event_time=NOON + number * DAY / 50, amount=60.0 + number % 2 * 60)
        for number in range(5_000)
    ]
    road.consume(records=road.send(sent, seconds=86_400 / 50), at_once=1_000)
    return road


def test_a_missing_model_leaves_its_part_unverified(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    sent = road.send(payments(50), seconds=20)
    road.policy(change=lambda policy: policy.with_model("f" * 64))
    road.send(payments(20, 50), seconds=20)
    road.consume(records=sent, at_once=sent)
    committed_at(road, 70).close()

    def load(model_id: str) -> Scorer:
        raise ModelError(f"model {model_id[:4]} is missing")

    found = verified(road, scorers=Scorers(load))

    assert counts(found)["flags"] == (len(road.flags()), 0, 0, 0)
    assert [(gap.start, gap.end, gap.reason) for gap in found.gaps] == [(50, 70, "model ffff is missing")]
    assert counts(found)["minute counters"][1:] == (0, 0, 0)
    assert found.exit_code == 2


def test_what_another_engine_ruled_is_left_to_its_release(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    road.send(payments(50), seconds=20)
    publish_of_another_engine(road)
    road.send(payments(20, 50), seconds=20)
    with pytest.raises(PolicyError):
        road.consume(records=70)
    committed_at(road, 70).close()

    found = verified(road)

    assert counts(found)["flags"] == (len(road.flags()), 0, 0, 0)
    assert [(gap.start, gap.end) for gap in found.gaps] == [(50, 70)]
    assert "engine 2 ruled" in found.gaps[0].reason
    assert found.exit_code == 2


def publish_of_another_engine(road: Road) -> None:
    """As a newer release does."""
    policy = replace(Policy(rules=rule_set_of(STRICTER, "rules.yaml")), engine_version=2, based_on=0)
    publisher = road.log.publisher(lambda: road.clock)
    publisher.send(POLICIES, None, encode(policy))
    publisher.close()
    road.clock += 10_000_000


def test_without_the_first_policies_nothing_is_verifiable(road: Road) -> None:
    with road.log._file.transaction() as connection:
        connection.execute(
            "UPDATE partition SET first_offset = 1 WHERE topic = (SELECT id FROM topic WHERE name = ?)", (POLICIES,)
        )

    found = verified(road)

    assert found.exit_code == 2
    assert "earlier policies are gone" in found.unread[0]


def test_a_payment_sent_again_after_memory_forgot_it_has_one_flag(tmp_path: Path) -> None:
    road = Road(tmp_path, partitions=1)
    road.policy()
    large = transaction(transaction_id="large", amount=500.0)
    later = transaction(transaction_id="later", event_time=NOON + 60 * DAY)
    road.send([large])
    road.clock += int(60 * 86_400e6)
    road.consume(records=1 + road.send([later, large]))

    assert counts(verified(road))["flags"] == (1, 0, 0, 0)
    again = verified(road, Asked(partitions=[0], from_offset=2, to_offset=3))
    assert counts(again)["flags"] == (0, 0, 0, 0)
    assert "the same payment at transactions-0, offset 0, outside the range" in again.gaps[0].reason


def test_a_store_that_does_not_answer_is_not_called_equal(road: Road) -> None:
    change_table(road, "DROP TABLE minutes")

    found = verified(road)

    assert found.exit_code == 2
    assert "no such table" in found.unread[0]


def change_table(road: Road, statement: str) -> None:
    with closing(sqlite3.connect(Path(road.settings.data_dir) / "flags.db")) as connection, connection:
        connection.execute(statement)


def test_a_range_that_begins_behind_a_gap_of_the_log_has_its_whole_first_minute(tmp_path: Path) -> None:
    """Compaction and the markers of transactions leave offsets without a record."""
    road = Road(tmp_path, partitions=1)
    road.policy()
    start = road.clock // 60_000_000 * 60_000_000 + 60_000_000
    records = [
        Record(0, 10 * number, start + number * 20_000_000, b"u", msgspec.json.encode(payment))
        for number, payment in enumerate(payments(30))
    ]
    road.log.import_records(TRANSACTIONS, records)
    road.consume(records=len(records))

    found = verified(road, Asked(from_offset=records[16].offset))

    assert found.verdict == "equal"
    assert counts(found)["minute counters"] == (5, 0, 0, 0)
