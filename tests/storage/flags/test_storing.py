"""What every flag store promises to whoever writes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fraud.schema import User
from storage.flags.flag_store import FlagStore, Heartbeat, Minute
from tests.storage.flags.conftest import Place
from tests.storage.flags.flag_builders import NOON, a_flag, a_minute, flagged_by_counts, put, the_day


def stored(store: FlagStore) -> list[dict[str, Any]]:
    return store.flags(the_day(), limit=1_000)


def test_a_flag_comes_back_whole(store: FlagStore):
    event_time = datetime(2026, 3, 2, 12, 58, 59, 123_456, tzinfo=UTC)
    flag = a_flag(
        event_time=event_time, amount=812.1, city="Liège", context=({"seconds": 2**62, "share": 0.1, "new": True},)
    )

    refused = put(store, [flag], [])

    document = store.flag(flag.id)
    assert refused == []
    assert document == {
        "_id": flag.id,
        "log_id": "log-one",
        "group": "fraud",
        "partition": 0,
        "offset": 0,
        "received_at": NOON,
        "decided_at": NOON + timedelta(milliseconds=7),
        "event_time": event_time,
        "user_id": "user-0",
        "transaction": {
            "transaction_id": "payment-0",
            "user_id": "user-0",
            "event_time": "2026-03-02T12:58:59.123456Z",
            "amount": 812.1,
            "currency": "EUR",
            "country": "BE",
            "city": "Liège",
        },
        "origin": "decision",
        "severity": "medium",
        "hits": [
            {
                "rule": "high_amount",
                "kind": "high_amount",
                "mode": "live",
                "severity": "medium",
                "reason": "812.00 is over 500.00",
                "observed": 812.0,
                "threshold": 500.0,
                "passes_at": 500.0,
                "counterfactual": "",
            }
        ],
        "score": 125_000,
        "features": {"amount": 812.1, "kmh_since_place": None},
        "policy": "policy-hash",
        "history_incomplete": False,
        "context": [{"seconds": 2**62, "share": 0.1, "new": True}],
        "revision": 1,
        "verdict": None,
    }
    assert document["received_at"].tzinfo == document["event_time"].tzinfo == UTC


def test_the_payment_keeps_the_offset_of_its_own_clock(store: FlagStore):
    brussels = datetime.fromisoformat("2026-03-02T13:00:00+01:00")

    put(store, [a_flag(event_time=brussels)], [])

    [document] = stored(store)
    assert document["event_time"] == NOON
    assert document["transaction"]["event_time"] == "2026-03-02T13:00:00+01:00"


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([[0, 1, 2], [0, 1, 2]], id="the same call again"),
        pytest.param([[0, 1], [1, 2]], id="calls that overlap"),
        pytest.param([[0, 1, 1, 2, 0]], id="twice inside one call"),
        pytest.param([[2], [], [1], [0]], id="one by one, with an empty call"),
    ],
)
def test_flags_are_stored_and_counted_once(store: FlagStore, calls: Sequence[Sequence[int]]):
    for numbers in calls:
        put(store, [a_flag(number) for number in numbers], [])

    assert [flag["offset"] for flag in sorted(stored(store), key=lambda flag: flag["offset"])] == [0, 1, 2]
    assert flagged_by_counts(store) == (3, 3, 3)


def test_a_stored_flag_is_never_overwritten(place: Place, store: FlagStore):
    put(store, [a_flag(0, severity="low")], [])
    place.give_verdict(a_flag(0).id, "fraud")

    put(store, [a_flag(0, severity="high"), a_flag(1)], [])

    replayed = store.flag(a_flag(0).id)
    assert replayed is not None
    assert (replayed["severity"], replayed["verdict"]) == ("low", "fraud")
    assert {flag["_id"]: flag["verdict"] for flag in stored(store)} == {a_flag(0).id: "fraud", a_flag(1).id: None}
    assert store.flags_per_bucket(the_day(), 60)["severity"].tolist() == ["low", "medium"]


def test_flags_that_cannot_be_encoded_are_known_before_their_neighbours_are_stored(store: FlagStore):
    unencodable = [
        a_flag(10, context=({"too": "x" * (1 << 20)},)),
        a_flag(11, merchant_name="half a pair \ud800"),
        a_flag(12, context=({"id": 2**63},)),
        a_flag(13, context=({"what": object()},)),
        a_flag(14, context=({"nul\0": 1},)),
        a_flag(15, amount=1e300),
        a_flag(16, features={"amount": float("inf")}, amount=float("inf")),
    ]

    refused = put(store, [a_flag(0), *unencodable, a_flag(1)], [a_minute(1)])

    assert sorted(refused) == sorted(flag.id for flag in unencodable)
    assert sorted(flag["offset"] for flag in stored(store)) == [0, 1]
    assert flagged_by_counts(store) == (2, 2, 2)
    assert len(store.minutes(NOON, NOON + timedelta(minutes=1))) == 1


def test_what_only_looks_odd_is_stored(store: FlagStore):
    odd = a_flag(
        0,
        user_id="nul\0inside",
        merchant_name="\0'\"$a.b\n\U0001f4b3",
        context=({"$a.b": -(2**63)}, {"nan": float("nan")}),
    )

    assert put(store, [odd], []) == []

    [document] = stored(store)
    assert document["user_id"] == "nul\0inside"
    assert document["transaction"]["merchant_name"] == "\0'\"$a.b\n\U0001f4b3"
    assert document["context"] == [{"$a.b": -(2**63)}, {"nan": None}]
    assert store.flag_count(the_day(users=["nul\0inside"], text="\U0001f4b3")) == 1


@pytest.mark.parametrize(
    ("offsets", "kept"),
    [
        pytest.param([5, 9], 1, id="a newer one replaces"),
        pytest.param([9, 5], 0, id="an older one changes nothing"),
        pytest.param([9, 9], 0, id="the same one is harmless"),
        pytest.param([5, 9, 7, 12, 12, 5], 3, id="the newest of many stays"),
    ],
)
@pytest.mark.parametrize(
    "at_once", [pytest.param(False, id="in calls of their own"), pytest.param(True, id="in one call")]
)
def test_a_minute_is_replaced_by_higher_offsets_only(store: FlagStore, offsets: list[int], kept: int, at_once: bool):
    minutes = [a_minute(offset, dead={f"number-{number}": 1}) for number, offset in enumerate(offsets)]

    for call in [minutes] if at_once else [[minute] for minute in minutes]:
        put(store, [], call)

    [row] = store.minutes(NOON, NOON + timedelta(minutes=1)).to_dict("records")
    assert (row["up_to_offset"], row["dead"]) == (offsets[kept], {f"number-{kept}": 1})


def test_minutes_of_other_logs_groups_partitions_and_times_stand_beside_each_other(store: FlagStore):
    others: list[dict[str, Any]] = [
        {},
        {"log_id": "log-two"},
        {"group": "other"},
        {"partition": 1},
        {"minute": NOON + timedelta(minutes=1)},
        {"minute": NOON + timedelta(minutes=2)},
    ]

    put(store, [], [a_minute(number, **other) for number, other in enumerate(others)])

    found = store.minutes(NOON, NOON + timedelta(minutes=2))
    assert sorted(found["up_to_offset"]) == [0, 1, 2, 3, 4]
    assert found["minute"].is_monotonic_increasing


def test_a_minute_comes_back_whole(store: FlagStore):
    numbers = {
        "id_reused": 3,
        "history_incomplete": 4,
        "unknown_fields": 5,
        "no_limit": 6,
        "flagged": 7,
        "duplicates": 8,
    }
    minute = a_minute(2**40, before_policy=2**41, **numbers)

    put(store, [], [minute])

    [row] = store.minutes(NOON, NOON + timedelta(minutes=1)).to_dict("records")
    assert Minute(**{str(name): value for name, value in row.items()}) == minute


def test_a_heartbeat_replaces_the_one_before_and_silent_processes_are_forgotten(store: FlagStore):
    def beat(process: str, at: datetime, **facts: Any) -> Heartbeat:
        names = {"role": "consumer", "log_id": "log-one", "group": "fraud", "state": "running"}
        return Heartbeat(process=process, at=at, started_at=NOON, facts=facts, **names)

    store.beat(beat("consumer-one", NOON - timedelta(days=8)))
    store.beat(beat("consumer-two", NOON, lag={"0": 12}))
    store.beat(beat("consumer-three", NOON, rate=1.5))
    store.beat(beat("consumer-two", NOON + timedelta(seconds=5), lag={"0": 3}, refused=None))

    latest = beat("consumer-two", NOON + timedelta(seconds=5), lag={"0": 3}, refused=None)
    assert store.heartbeats() == [beat("consumer-three", NOON, rate=1.5), latest]


def test_users_are_put_and_put_again(store: FlagStore):
    store.put_users([])
    store.put_users([User(user_id="user-1", name="Old Name"), User(user_id="user-2", home_city="Namur")])
    store.put_users([User(user_id="user-1", name="First"), User(user_id="user-1", name="Second", home_city="Gent")])

    assert store.users(["user-1", "user-2", "nobody"]) == {
        "user-1": User(user_id="user-1", name="Second", home_city="Gent"),
        "user-2": User(user_id="user-2", home_city="Namur"),
    }
    assert store.users([]) == {}


def test_existing_knows_which_flags_are_stored(store: FlagStore):
    put(store, [a_flag(0), a_flag(1)], [])

    asked = [a_flag(0).id, a_flag(2).id, *(f"{number:032x}" for number in range(12_000)), a_flag(1).id]
    assert store.existing(asked) == {a_flag(0).id, a_flag(1).id}
    assert store.existing([]) == set()
    assert store.flag(a_flag(2).id) is None


def test_preparing_again_changes_nothing_and_a_prepared_store_has_no_problems(place: Place, store: FlagStore):
    put(store, [a_flag(0)], [])

    store.prepare()

    assert flagged_by_counts(store) == (1, 1, 1)
    assert store.problems() == []


def test_stored_flags_are_seen_through_another_connection(place: Place, store: FlagStore):
    put(store, [a_flag(0)], [a_minute(0)])

    other = place.connect()

    assert [flag["_id"] for flag in stored(other)] == [a_flag(0).id]
    other.close()
