from datetime import UTC, datetime, timedelta

import pytest

from dashboard import snapshot, table
from dashboard.filters import Asked
from dashboard.periods import period
from storage.flags.flag_store import TimeField
from storage.flags.sql_store import SqlStore
from tests.dashboard.seeding import flag, high_amount
from tests.storage.flags.flag_builders import put

NOW = datetime(2026, 3, 2, 12, 30, 30, tzinfo=UTC)
ASKED = Asked()
WANTED = ASKED.within(period("1h", NOW))


@pytest.fixture
def store(tmp_path):
    opened = SqlStore(f"sqlite:///{tmp_path}/flags.db")
    opened.prepare()
    yield opened
    opened.close()


def taken(store, wanted=WANTED, limit=snapshot.ROWS):
    return snapshot.take(ASKED, wanted, NOW, latest=store.flags, count=store.flag_count, limit=limit)


def test_later_flags_are_counted_and_not_shown(store):
    put(store, [flag(number, NOW) for number in range(3)], [])
    kept = taken(store)

    put(store, [flag(9, NOW + timedelta(seconds=5))], [])

    assert snapshot.newer(kept, WANTED, store.flag_count) == 1
    assert kept.total == 3


def test_a_flag_that_comes_late_with_an_older_time_counts_as_new(store):
    put(store, [flag(1, NOW)], [])
    kept = taken(store)

    put(store, [flag(2, NOW - timedelta(minutes=20))], [])

    assert snapshot.newer(kept, WANTED, store.flag_count) == 1


def test_what_leaves_the_period_does_not_hide_what_is_new(store):
    put(store, [flag(1, NOW - timedelta(minutes=59)), flag(2, NOW)], [])
    kept = taken(store)
    later = NOW + timedelta(minutes=10)

    put(store, [flag(3, later)], [])

    assert snapshot.newer(kept, ASKED.within(period("1h", later)), store.flag_count) == 1


def test_the_bounds_find_the_same_flags_again_for_the_csv(store):
    put(store, [flag(number, NOW - timedelta(milliseconds=number)) for number in range(5)], [])
    kept = taken(store, limit=2)

    put(store, [flag(9, NOW + timedelta(seconds=5))], [])

    assert (len(kept.rows), kept.total) == (2, 5)
    assert store.flag_count(kept.wanted) == 5


def test_an_empty_snapshot_counts_whatever_comes(store):
    kept = taken(store)

    put(store, [flag(1, NOW)], [])

    assert (kept.rows, kept.total) == ((), 0)
    assert snapshot.newer(kept, WANTED, store.flag_count) == 1


def test_a_label_names_one_flag_and_grows_when_it_must():
    rows = tuple({"_id": found} for found in ("aaaaaaaa11", "aaaaaaaa12", "bbbbbbbb11"))
    kept = snapshot.Snapshot(asked=ASKED, wanted=WANTED, total=3, rows=rows, taken_at=NOW)

    labels = [kept.label(row) for row in rows]

    assert labels == ["aaaaaaaa11", "aaaaaaaa12", "bbbbbbbb11"]
    assert [kept.flag_id(label) for label in labels] == labels
    assert kept.flag_id("nobody") is None


def test_rows_say_why_with_the_gravest_reason_first(store):
    mild, grave = high_amount(5.0, severity="low"), high_amount(9_000.0, severity="critical")
    hits = (mild, grave, high_amount(1.0, mode="shadow"))
    put(store, [flag(1, NOW, hits=hits, score=381_500, currency="JPY", amount=9_000.0, user_id="u-x")], [])

    row = table.rows(taken(store)).iloc[0]

    assert row["why"] == f"{grave.reason} · {mild.reason}"
    assert row["amount"] == "JPY 9,000"
    assert row["severity"] == ["high"]
    assert row["user"] == "u-x"
    assert row["place"] == "Lyon, FR"
    assert row["score"] == pytest.approx(38.15)


def test_the_table_shows_the_clock_that_was_asked_for(store):
    put(store, [flag(1, NOW, event_time=NOW - timedelta(minutes=7))], [])
    wanted = Asked(clock=TimeField.EVENT_TIME).within(period("1h", NOW))

    assert table.rows(taken(store, wanted))["time"].tolist() == [NOW - timedelta(minutes=7)]
    assert table.rows(taken(store))["time"].tolist() == [NOW]


def test_a_flag_by_score_alone_and_one_without_a_model_say_so(store):
    put(store, [flag(1, NOW, hits=(), score=990_000), flag(2, NOW - timedelta(seconds=1), score=None)], [])
    by_score, by_rules = taken(store).rows

    assert table.why(by_score) == "score alone"
    assert table.score_in_words(by_score).startswith("99.00% likely")
    assert table.score_in_words(by_rules) == "No model in force when this was decided: rules alone."


def test_features_come_with_their_meaning_and_absent_ones_say_so(store):
    put(store, [flag(1, NOW)], [])

    features = table.features_of(taken(store).rows[0]).set_index("feature")

    assert features.loc["amount_mean_30d", "value"] == "41.25"
    assert features.loc["kmh_since_place", "value"] == "absent"
    assert "30" in str(features.loc["amount_mean_30d", "meaning"])


def test_the_users_payments_before_are_newest_first_and_in_words(store):
    remembered = [
        {"event_time": NOW - timedelta(hours=hours), "amount": 3.5, "currency": "KWD", "declined": hours == 1}
        for hours in (2, 1)
    ]
    put(store, [flag(1, NOW, context=tuple(remembered))], [])

    recent = table.recent_payments(taken(store).rows[0])

    assert recent["event time (UTC)"].tolist() == ["2026-03-02 11:30:30", "2026-03-02 10:30:30"]
    assert recent["amount"].tolist() == ["KWD 3.500", "KWD 3.500"]
    assert recent["outcome"].tolist() == ["declined", "approved"]
