"""What is stored is held against the log: each difference is named, and nothing unread is called equal."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.asked_ranges import Asked
from consumer.verification import Verification
from consumer.verifying import Verifier
from fraud.engine import Scorer
from fraud.errors import UsageError
from fraud.schema import Transaction
from storage.logs.log import TRANSACTIONS
from tests.builders import NOON, transaction
from tests.consumer.roads import STRICTER, Road
from tests.consumer.test_restoring import committed_at

DAY = timedelta(days=1)


def payments(count: int, first: int = 0, users: int = 7) -> list[Transaction]:
    """Some of them large, and bursts of the same user."""
    return [
        transaction(
            transaction_id=f"t-{number}",
            user_id=f"u-{number % users}",
            after=number * 20,
            amount=float(number % 13 * 10),
        )
        for number in range(first, first + count)
    ]


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """Three hundred payments of two policies, broken messages between them, decided in several goes."""
    road = Road(tmp_path)
    before = road.send(payments(20), seconds=20)
    road.policy()
    during = road.send([*payments(180, 20), b"broken", payments(1, 50)[0]], seconds=20)
    road.policy(STRICTER)
    after = road.send(payments(100, 200), seconds=20)
    first = road.consume(records=before + 80, at_once=37)
    road.consume(records=before + during + after - first.status.seen, at_once=50)
    return road


EVERYTHING = Asked()


def verified(road: Road, asked: Asked = EVERYTHING, scorers: Mapping[str, Scorer] | None = None) -> Verification:
    verifier = Verifier(
        source=road.log,
        group=road.settings.group,
        scorers={} if scorers is None else scorers,
        store=road.store,
        archive=None,
    )
    return verifier.verify(verifier.ranges(asked), asked)


def counts(found: Verification) -> dict[str, tuple[int, int, int, int]]:
    """By what was compared: equal, missing, extra, different."""
    return {one.what: (one.equal, one.missing, one.extra, one.different) for one in found.comparisons}


def change(road: Road, statement: str, *values: Any) -> None:
    """Somebody at the store's console."""
    with closing(sqlite3.connect(Path(road.settings.data_dir) / "flags.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def alter(road: Road, flag: Mapping[str, Any], edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the document of a stored flag."""
    with closing(sqlite3.connect(Path(road.settings.data_dir) / "flags.db")) as connection:
        row = connection.execute("SELECT document FROM flags WHERE id = ?", (flag["_id"],)).fetchone()
    document = json.loads(row[0])
    edit(document)
    change(road, "UPDATE flags SET document = ? WHERE id = ?", json.dumps(document), flag["_id"])


def add(road: Road, flag: Mapping[str, Any], **what_differs: Any) -> None:
    """A flag by hand: a copy of a stored one under another id."""
    columns = "received_at, event_time, user_id, severity, amount, currency, country, verdict, search, document"
    change(road, f"INSERT INTO flags SELECT 'by-hand', {columns} FROM flags WHERE id = ?", flag["_id"])
    alter(road, {"_id": "by-hand"}, lambda document: document.update(what_differs))


def test_what_consumers_stored_is_equal(road: Road) -> None:
    found = verified(road)

    stored = len(road.flags())
    assert counts(found) == {"flags": (stored, 0, 0, 0), "minute counters": (len(road.minutes()), 0, 0, 0)}
    assert stored > 80
    assert (found.verdict, found.exit_code, found.gaps, found.unread) == ("equal", 0, [], [])
    assert sum(map(len, found.ranges)) == 302


def test_verifying_writes_nothing(road: Road) -> None:
    before = (road.flags(), road.minutes(), road.dead(), road.log.committed(TRANSACTIONS, road.settings.group))

    verified(road)

    assert (road.flags(), road.minutes(), road.dead(), road.log.committed(TRANSACTIONS, road.settings.group)) == before


def test_what_analysts_write_may_differ(road: Road) -> None:
    change(road, "UPDATE flags SET verdict = 'fraud' WHERE id = ?", road.flags()[0]["_id"])

    assert verified(road).verdict == "equal"


def test_a_deleted_flag_is_missing(road: Road) -> None:
    flag = road.flags()[5]
    change(road, "DELETE FROM flags WHERE id = ?", flag["_id"])

    found = verified(road)

    assert counts(found)["flags"] == (len(road.flags()), 1, 0, 0)
    assert found.comparisons[0].examples["missing"] == [said_of(flag)]
    assert found.exit_code == 1


def said_of(flag: Mapping[str, Any]) -> str:
    return f"{flag['_id']} (transactions-{flag['partition']}, offset {flag['offset']})"


def test_an_altered_flag_is_different_in_the_fields_that_were_altered(road: Road) -> None:
    flag = road.flags()[5]

    def edit(document: dict[str, Any]) -> None:
        document["severity"] = "low"
        document["hits"][0]["reason"] = "because"
        del document["policy"]

    alter(road, flag, edit)

    found = verified(road)

    assert counts(found)["flags"] == (len(road.flags()) - 1, 0, 0, 1)
    [said] = found.comparisons[0].examples["different"]
    assert said.startswith(f"{said_of(flag)}: severity '{flag['severity']}' became 'low'; hits.0.reason ")
    assert "became 'because'" in said
    assert said.endswith(f"policy '{flag['policy']}' became nothing")
    assert found.exit_code == 1


@pytest.mark.parametrize(
    "what_differs",
    [
        pytest.param({}, id="for a payment that has a flag"),
        pytest.param({"offset": 0}, id="for a payment that has none"),
        pytest.param({"offset": 1_000_000}, id="for an offset that the log does not hold"),
        pytest.param({"partition": 77}, id="for a partition that there is not"),
        pytest.param({"offset": None}, id="for nothing"),
    ],
)
def test_a_flag_added_by_hand_is_extra(road: Road, what_differs: dict[str, Any]) -> None:
    add(road, road.flags()[5], **what_differs)

    found = verified(road)

    assert counts(found)["flags"] == (len(road.flags()) - 1, 0, 1, 0)
    assert found.comparisons[0].examples["extra"][0].startswith("by-hand (transactions-")
    assert found.exit_code == 1


def test_a_flag_whose_place_was_altered_is_different(road: Road) -> None:
    alter(road, road.flags()[5], lambda document: document.update(offset=document["offset"] + 1_000))

    assert counts(verified(road))["flags"] == (len(road.flags()) - 1, 0, 0, 1)


@pytest.mark.parametrize(
    ("statement", "differences"),
    [
        pytest.param("DELETE FROM minutes WHERE rowid = {}", (1, 0, 0), id="removed"),
        pytest.param(
            "UPDATE minutes SET document = json_set(document, '$.group', 'other') WHERE rowid = {}",
            (1, 0, 0),
            id="of another group",
        ),
        pytest.param(
            "UPDATE minutes SET document = json_set(document, '$.flagged', 99) WHERE rowid = {}",
            (0, 0, 1),
            id="altered",
        ),
        pytest.param(
            "UPDATE minutes SET up_to_offset = 9999, document = json_set(document, '$.up_to_offset', 9999) WHERE rowid = {}",
            (0, 0, 1),
            id="said to reach further than the range",
        ),
        pytest.param(
            "UPDATE minutes SET minute = minute + 30000 WHERE rowid = {}", (1, 1, 0), id="of a minute that never was"
        ),
    ],
)
def test_minute_counters_are_compared_as_well(road: Road, statement: str, differences: tuple[int, int, int]) -> None:
    change(road, statement.format(3))

    found = verified(road)

    assert counts(found)["minute counters"][1:] == differences
    assert found.exit_code == 1


def test_what_is_not_committed_is_not_yet_decided(road: Road) -> None:
    road.send(payments(30, 300), seconds=20)

    found = verified(road)

    assert found.verdict == "equal"
    assert sum(one.undecided for one in found.ranges) == 30


def test_what_was_stored_and_not_yet_committed_is_not_extra(road: Road) -> None:
    stored = len(road.flags())
    end = road.log.bounds(TRANSACTIONS, 0)[1]
    committed_at(road, end - 40).close()

    found = verified(road)

    assert found.verdict == "equal"
    assert 0 < counts(found)["flags"][0] < stored


@pytest.mark.parametrize("start", [1, 57, 110])
def test_a_range_is_decided_with_everything_that_came_before_it(road: Road, start: int) -> None:
    asked = Asked(partitions=[0], from_offset=start, to_offset=start + 30)
    inside = [flag for flag in road.flags() if flag["partition"] == 0 and start <= flag["offset"] < start + 30]

    found = verified(road, asked)

    assert counts(found)["flags"] == (len(inside), 0, 0, 0)
    assert len(inside) > 3
    assert found.verdict == "equal"


def test_a_period_is_one_of_append_times(road: Road) -> None:
    since, until = NOON + timedelta(minutes=30), NOON + timedelta(minutes=70)
    inside = [flag for flag in road.flags() if since <= flag["received_at"] < until]
    whole = [row for row in road.minutes() if since <= row["minute"] < until]

    found = verified(road, Asked(since=since, until=until))

    assert counts(found)["flags"] == (len(inside), 0, 0, 0)
    assert 20 < len(inside) < len(road.flags())
    assert counts(found)["minute counters"] == (len(whole), 0, 0, 0)


def test_a_difference_outside_the_range_is_not_looked_at(road: Road) -> None:
    last = max(road.flags(), key=lambda flag: flag["received_at"])
    change(road, "DELETE FROM flags WHERE id = ?", last["_id"])

    assert verified(road, Asked(until=last["received_at"])).verdict == "equal"
    assert verified(road, Asked(since=last["received_at"])).verdict == "different"
    assert verified(road, Asked(partitions=[1 - last["partition"]])).verdict == "equal"


def test_a_period_without_payments_is_not_called_equal(road: Road) -> None:
    found = verified(road, Asked(since=NOON + 300 * DAY))

    assert (found.verdict, found.exit_code, sum(map(len, found.ranges))) == ("not verifiable", 2, 0)
    assert "not verifiable: no committed payment lies in the range: look at its bounds" in found.lines()
    assert [one["reason"] for one in found.facts()["not_verifiable"]] == [
        "no committed payment lies in the range: look at its bounds"
    ]


def test_a_group_that_committed_nothing_is_not_verified(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.send(payments(10))

    found = verified(road)

    assert found.exit_code == 2
    assert "has committed nothing" in found.unread[0]
    assert not any("look at its bounds" in line for line in found.lines())


def test_a_partition_that_there_is_not_is_refused(road: Road) -> None:
    with pytest.raises(UsageError, match=r"--partition is 2: .*0 to 1"):
        verified(road, Asked(partitions=[0, 2]))
