"""What every flag store promises to whoever reads: the same answer as a plain loop or pandas over the same flags."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from fraud.decision import EPOCH, Severity
from storage.flags import mongo_store, sql_store
from storage.flags.flag_store import FlagFilter, FlagStore, TimeField
from tests.storage.flags.flag_builders import NOON, a_flag, a_minute, put, the_day
from tests.storage.flags.three_days import FLAGS, clock_of, found_by_hand


@pytest.fixture(scope="module")
def stocked(shared_store: FlagStore) -> FlagStore:
    """A store with FLAGS, stored in several calls."""
    for start in range(0, len(FLAGS), 50):
        put(shared_store, FLAGS[start : start + 60], [])
    return shared_store


def as_frame(wanted: FlagFilter) -> pd.DataFrame:
    """What is found by hand, one row each."""
    found = found_by_hand(wanted)
    return pd.DataFrame(
        {
            "at": pd.Series([clock_of(flag, wanted) for flag in found], dtype="datetime64[us, UTC]"),
            "user_id": pd.Series([flag.user_id for flag in found], dtype="str"),
            "rank": pd.Series([int(Severity.of(flag.severity)) for flag in found], dtype="int64"),
            "currency": pd.Series([flag.transaction.currency or "XXX" for flag in found], dtype="str"),
            "amount": pd.Series([flag.transaction.amount for flag in found], dtype="float64"),
        }
    )


def words(ranks: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.Series([Severity(rank).word for rank in ranks], dtype="str")


ALL: dict[str, Any] = {"since": NOON - timedelta(days=30), "until": NOON + timedelta(days=30)}
FILTERS = [
    pytest.param({}, id="everything"),
    pytest.param({"severities": ["high", "critical"]}, id="severities"),
    pytest.param({"severities": ["odd"]}, id="a severity that is none"),
    pytest.param({"rules": ["burst"]}, id="a rule, live only"),
    pytest.param({"rules": ["burst", "far_away", "nothing"]}, id="any of several rules"),
    pytest.param({"users": ["user-3", "user-4"]}, id="users"),
    pytest.param({"countries": ["BE", "US"]}, id="countries"),
    pytest.param({"min_amount": 0.1}, id="an amount that floats cannot hold"),
    pytest.param({"min_amount": 812.005}, id="exactly an amount"),
    pytest.param({"min_amount": 812.0050001}, id="just over an amount"),
    pytest.param({"min_amount": 0.0}, id="no least amount"),
    pytest.param({"min_amount": 1e300}, id="more than anybody pays"),
    pytest.param({"text": "PAYMENT-1"}, id="transaction ids in another case"),
    pytest.param({"text": "ser-7"}, id="part of a user id"),
    pytest.param({"text": "liège"}, id="a city"),
    pytest.param({"text": "STRASSE"}, id="a sharp s in capitals"),
    pytest.param({"text": "éclair"}, id="an accent in small letters"),
    pytest.param({"text": "50%"}, id="SQL's percent"),
    pytest.param({"text": "a_b"}, id="SQL's underscore"),
    pytest.param({"text": "a.b*"}, id="a regular expression's dot and star"),
    pytest.param({"text": "[x]^$|?+"}, id="every other metacharacter"),
    pytest.param({"text": "(shop)"}, id="parentheses"),
    pytest.param({"text": ":\\s"}, id="a backslash"),
    pytest.param({"text": "$amount"}, id="a field's name"),
    pytest.param({"text": "it's"}, id="a quote"),
    pytest.param({"text": "nowhere"}, id="a text that does not occur"),
    pytest.param(
        {
            "severities": ["low", "high", "critical"],
            "rules": ["high_amount", "burst"],
            "users": [f"user-{n}" for n in range(7)],
        }
        | {"countries": ["BE", "FR"], "min_amount": 0.2, "text": "E"},
        id="all at once",
    ),
]
PERIODS = [
    pytest.param(ALL, id="all of it"),
    pytest.param({"since": NOON.replace(hour=0), "until": NOON.replace(hour=0) + timedelta(days=1)}, id="a whole day"),
    pytest.param(
        {"since": NOON - timedelta(hours=20, seconds=3.5), "until": NOON + timedelta(hours=7, minutes=3)},
        id="days that are cut",
    ),
    pytest.param({"since": NOON, "until": NOON + timedelta(minutes=55, seconds=1)}, id="within an hour"),
    pytest.param({"since": NOON, "until": NOON}, id="no time at all"),
    pytest.param({"since": NOON, "until": NOON - timedelta(days=1)}, id="an end before its beginning"),
]
CLOCKS = [pytest.param(clock, id=clock.value) for clock in TimeField]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("narrowed", FILTERS)
def test_a_filter_finds_what_its_words_say(stocked: FlagStore, narrowed: dict[str, Any], clock: TimeField):
    wanted = FlagFilter(**{**ALL, "time": clock, **narrowed})

    found = stocked.flags(wanted, limit=1_000)

    assert [flag["_id"] for flag in found] == [flag.id for flag in found_by_hand(wanted)]
    assert stocked.flag_count(wanted) == len(found)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("seconds", [10, 60, 900, 86_400])
def test_buckets_equal_those_of_pandas(stocked: FlagStore, seconds: int, period: dict[str, Any], clock: TimeField):
    wanted = FlagFilter(time=clock, **period)
    rows = as_frame(wanted)
    buckets = (rows["at"] - EPOCH) // pd.Timedelta(seconds=seconds) * pd.Timedelta(seconds=seconds) + EPOCH
    sums = rows.assign(bucket=buckets).groupby(["bucket", "rank", "currency"], as_index=False)
    expected = sums.agg(flags=("amount", "size"), amount=("amount", "sum"))

    found = stocked.flags_per_bucket(wanted, seconds)

    columns = {"bucket": expected["bucket"].astype("datetime64[us, UTC]"), "severity": words(expected["rank"])}
    numbers = {name: expected[name] for name in ("currency", "flags", "amount")}
    pd.testing.assert_frame_equal(found, pd.DataFrame({**columns, **numbers}), rtol=1e-12)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(
    "asked",
    [
        *PERIODS,
        pytest.param({**ALL, "severities": ["medium", "critical"]}, id="of two severities"),
        pytest.param({**ALL, "rules": ["burst"]}, id="of a rule"),
        pytest.param({**ALL, "users": ["user-2", "user-5"]}, id="of two users"),
        pytest.param({**ALL, "countries": ["FR"], "text": "e", "min_amount": 1.0}, id="narrowed by all the rest"),
    ],
)
def test_top_users_equal_those_of_pandas(stocked: FlagStore, asked: dict[str, Any], clock: TimeField):
    wanted = FlagFilter(time=clock, **asked)
    users = as_frame(wanted).groupby("user_id", as_index=False)
    expected = users.agg(flags=("amount", "size"), amount=("amount", "sum"), worst=("rank", "max"), last=("at", "max"))
    expected = expected.sort_values(["flags", "user_id"], ascending=[False, True], ignore_index=True).head(4)

    found = stocked.top_users(wanted, 4)

    expected = expected.assign(worst=words(expected["worst"]), last=expected["last"].astype("datetime64[us, UTC]"))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("limit", "users"),
    [
        pytest.param(0, 0, id="none"),
        pytest.param(1, 1, id="one"),
        pytest.param(9, 9, id="as many as there are"),
        pytest.param(10, 9, id="more than there are"),
    ],
)
def test_there_are_at_most_as_many_top_users_as_asked_for(stocked: FlagStore, limit: int, users: int):
    assert len(stocked.top_users(FlagFilter(**ALL), limit)) == users


def test_texts_are_in_the_order_of_their_code_points(store: FlagStore):
    names = ["B", "a", "Ä", "-b", "b", "10", "9"]
    put(store, [a_flag(number, user_id=name, rules=[name]) for number, name in enumerate(names)], [])

    assert store.top_users(the_day(), 10)["user_id"].tolist() == sorted(names)
    assert store.choices(the_day())["rules"] == sorted(names)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("period", PERIODS)
def test_choices_are_the_values_of_the_period(stocked: FlagStore, period: dict[str, Any], clock: TimeField):
    wanted = FlagFilter(time=clock, **period)
    found = found_by_hand(wanted)
    present = {flag.severity for flag in found}

    choices = stocked.choices(FlagFilter(time=clock, users=["nobody"], text="nothing", **period))

    assert choices == {
        "severities": [severity.word for severity in Severity if severity.word in present],
        "rules": sorted({hit.rule for flag in found for hit in flag.hits if hit.mode == "live"}),
        "countries": sorted({flag.transaction.country for flag in found if flag.transaction.country}),
    }


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("size", [1, 7, 239, 240, 241])
def test_pages_follow_each_other_without_gap_or_repetition(stocked: FlagStore, size: int, clock: TimeField):
    wanted = FlagFilter(time=clock, **ALL)
    pages = range(0, 40 * size, size) if size < 10 else range(0, 500, size)

    found = [flag["_id"] for skip in pages for flag in stocked.flags(wanted, limit=size, skip=skip)]

    assert found == [flag.id for flag in found_by_hand(wanted)][: len(pages) * size]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(
    ("since_ms", "until_ms", "count"),
    [
        pytest.param(0, 1, 1, id="begins with it"),
        pytest.param(-1, 0, 0, id="ends with it"),
        pytest.param(1, 60_000, 0, id="begins just after it"),
        pytest.param(-60_000, 1, 1, id="ends just after it"),
        pytest.param(0, 0, 0, id="is empty"),
    ],
)
def test_a_period_holds_its_beginning_and_not_its_end(
    store: FlagStore, since_ms: int, until_ms: int, count: int, clock: TimeField
):
    at = NOON + timedelta(minutes=3)
    other: dict[str, Any] = {"received_at": at} if clock is TimeField.RECEIVED_AT else {"event_time": at}
    put(store, [a_flag(0, **other)], [a_minute(0, minute=at)])

    since, until = at + timedelta(milliseconds=since_ms), at + timedelta(milliseconds=until_ms)

    wanted = FlagFilter(since=since, until=until, time=clock)
    assert store.flag_count(wanted) == len(store.flags(wanted, 10)) == count
    assert store.flags_per_bucket(wanted, 60)["flags"].sum() == store.top_users(wanted, 10)["flags"].sum() == count
    assert len(store.minutes(since, until)) == count


def test_sums_of_amounts_are_exact(store: FlagStore):
    put(store, [a_flag(number, user_id="user", amount=0.1) for number in range(30)], [])

    assert store.flags_per_bucket(the_day(), 60)["amount"].tolist() == [3.0]
    assert store.top_users(the_day(), 1)["amount"].tolist() == [3.0]


def test_amounts_beyond_64_bit_in_sum_stop_nothing(store: FlagStore):
    for number in range(30):
        put(store, [a_flag(number, user_id="user", amount=9e14)], [])

    assert store.top_users(the_day(), 1)["amount"].tolist() == pytest.approx([30 * 9e14])
    assert store.flags_per_bucket(the_day(text="payment"), 60)["amount"].tolist() == pytest.approx([30 * 9e14])


def test_an_empty_store_answers_with_empty_tables_of_the_right_kind(store: FlagStore):
    moment = "datetime64[us, UTC]"

    buckets, users = store.flags_per_bucket(the_day(), 60), store.top_users(the_day(), 10)
    minutes = store.minutes(NOON, NOON + timedelta(days=1))

    bucket_kinds = {"bucket": moment, "severity": "str", "currency": "str", "flags": "int64", "amount": "float64"}
    assert (len(buckets), buckets.dtypes.astype(str).to_dict()) == (0, bucket_kinds)
    user_kinds = {"user_id": "str", "flags": "int64", "amount": "float64", "worst": "str", "last": moment}
    assert (len(users), users.dtypes.astype(str).to_dict()) == (0, user_kinds)
    numbers = ["partition", "up_to_offset", "seen", "decided", "duplicates", "before_policy", "flagged", "id_reused"]
    texts = {"log_id": "str", "group": "str", "minute": moment, "dead": "object", "spend": "object"}
    more = ["history_incomplete", "unknown_fields", "no_limit"]
    assert (len(minutes), minutes.dtypes.astype(str).to_dict()) == (0, texts | dict.fromkeys(numbers + more, "int64"))
    assert store.flags(the_day(), 10) == []
    assert store.heartbeats() == []
    assert store.flag_count(the_day()) == 0
    assert store.choices(the_day()) == {"severities": [], "rules": [], "countries": []}


def test_filled_tables_are_of_the_same_kind_as_empty_ones(store: FlagStore):
    def kinds() -> list[dict[Any, str]]:
        minutes = store.minutes(NOON, NOON + timedelta(days=1))
        tables = (store.flags_per_bucket(the_day(), 60), store.top_users(the_day(), 10), minutes)
        return [table.dtypes.astype(str).to_dict() for table in tables]

    empty = kinds()

    put(store, [a_flag(0)], [a_minute(0)])

    assert kinds() == empty


def test_flags_are_found_by_id(stocked: FlagStore):
    wanted = [FLAGS[7], FLAGS[3]]

    found = stocked.flags_by_id([*(flag.id for flag in wanted), "nobody's"])

    assert found == {flag.id: stocked.flag(flag.id) for flag in wanted}
    assert stocked.flags_by_id([]) == {}


def test_what_was_decided_in_a_period_comes_oldest_first_however_much_there_is(stocked: FlagStore, monkeypatch):
    for implementation in (mongo_store, sql_store):
        monkeypatch.setattr(implementation, "FLAGS_AT_ONCE", 7)
    received_at = sorted({flag.received_at for flag in FLAGS})
    since, until = received_at[3], received_at[-3]
    wanted = FlagFilter(since=since, until=until)

    found = list(stocked.decided("log-one", "fraud", since, until))

    newest_first = stocked.flags(wanted, len(FLAGS))
    assert found == [(flag["_id"], flag["partition"], flag["offset"]) for flag in reversed(newest_first)]
    assert 14 < len(found) < len(FLAGS)


@pytest.mark.parametrize(("log_id", "group"), [("log-two", "fraud"), ("log-one", "others")])
def test_what_another_log_or_group_decided_is_left_out(stocked: FlagStore, log_id: str, group: str):
    assert list(stocked.decided(log_id, group, ALL["since"], ALL["until"])) == []
