"""What arrives on the log: everything that was sent, keyed by user, in the order of time, and nothing of the truth."""

from datetime import timedelta

import msgspec
import pytest

from fraud.decision import moment
from fraud.schema import Label, Transaction, User
from producer.population import Population
from producer.publishing import Live, Sender, backfill, live
from producer.stream import Reports
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import LABELS, TRANSACTIONS, USERS, Topic
from tests.producer.clocks import StillClock

NOW = 1_780_000_000.0


@pytest.fixture
def log(tmp_path):
    log = EmbeddedLog(tmp_path / "log")
    log.create([Topic(name=name, partitions=3) for name in (TRANSACTIONS, LABELS, USERS)])
    yield log
    log.close()


def records(log, topic):
    return [record for partition in range(3) for record in log.read(topic, partition, 0)]


def sent_to(log, population, clock, how, malformed=0.0, reports=None):
    publisher = log.publisher()
    sender = Sender(publisher, population, malformed=malformed)
    live(sender, population, how, clock, Reports() if reports is None else reports)
    publisher.close()
    return sender.sent


def transactions(log):
    return [msgspec.json.decode(record.value, type=Transaction) for record in records(log, TRANSACTIONS)]


def test_live_payments_hold_the_rate_and_happen_now(log):
    clock = StillClock(NOW)

    sent = sent_to(log, Population(seed=7, users=500), clock, Live(rate=50.0, seconds=6))

    found = transactions(log)
    assert sent.payments == len(found) == 300
    assert sent.rate == pytest.approx(50.0, rel=0.01)
    assert sent.send_delay_ms["max"] < 0.1
    assert moment(int(NOW * 1e6)) <= min(one.event_time for one in found)
    assert max(one.event_time for one in found) <= moment(int(clock.now() * 1e6))


def test_a_user_stays_in_one_partition_and_in_order(log):
    sent_to(log, Population(seed=7, users=200), StillClock(NOW), Live(rate=40.0, seconds=6, speedup=3_600.0))

    partitions: dict[str, set[int]] = {}
    for partition in range(3):
        previous = None
        for record in log.read(TRANSACTIONS, partition, 0):
            transaction = msgspec.json.decode(record.value, type=Transaction)
            assert record.key == transaction.user_id.encode()
            assert previous is None or previous < transaction.event_time
            previous = transaction.event_time
            partitions.setdefault(transaction.user_id, set()).add(partition)
    assert all(len(places) == 1 for places in partitions.values())


def test_where_time_runs_faster_it_ends_now(log):
    clock = StillClock(NOW)

    sent_to(log, Population(seed=7, users=200), clock, Live(rate=20.0, seconds=10, speedup=600.0))

    times = sorted(one.event_time for one in transactions(log))
    end = moment(int(clock.now() * 1e6))
    assert end - timedelta(seconds=60) < times[-1] <= end
    assert times[-1] - times[0] == pytest.approx(timedelta(seconds=6_000), rel=0.02)


def test_a_transaction_id_derives_from_seed_user_and_event_time(log, tmp_path):
    sent_to(log, Population(seed=7, users=300), StillClock(NOW), Live(rate=30.0, seconds=4))
    again = EmbeddedLog(tmp_path / "again")
    again.create([Topic(name=name, partitions=3) for name in (TRANSACTIONS, LABELS, USERS)])
    sent_to(again, Population(seed=7, users=300), StillClock(NOW), Live(rate=30.0, seconds=4))

    assert [record.value for record in records(log, TRANSACTIONS)] == [
        record.value for record in records(again, TRANSACTIONS)
    ]
    assert len({one.transaction_id for one in transactions(log)}) == 120
    again.close()


def test_backfill_is_what_the_users_paid_until_now_with_what_was_reported_by_now(log):
    population = Population(seed=7, users=25, fraud_share=0.3)
    clock = StillClock(NOW)
    publisher = log.publisher()
    sender = Sender(publisher, population)

    reports = backfill(sender, population, timedelta(days=20), clock)
    publisher.close()

    now = moment(int(NOW * 1e6))
    found = transactions(log)
    expected = sum(len(chunk) for chunk in population.payments(now - timedelta(days=20), now))
    labels = [msgspec.json.decode(record.value, type=Label) for record in records(log, LABELS)]
    ids = {one.transaction_id for one in found}
    assert len(found) == sender.sent.backfilled == expected
    assert labels
    assert all(label.reported_at <= now and label.transaction_id in ids for label in labels)
    assert len(reports) > 0


@pytest.mark.slow
def test_reports_of_the_backfill_follow_when_their_time_has_come(log):
    population = Population(seed=7, users=60, fraud_share=0.2)
    clock = StillClock(NOW)
    publisher = log.publisher()
    reports = backfill(Sender(publisher, population), population, timedelta(days=5), clock)
    publisher.close()
    waiting = len(reports)
    before = len(records(log, LABELS))

    sent_to(log, population, clock, Live(rate=0.01, seconds=86_400 * 2), reports=reports)

    after = [msgspec.json.decode(record.value, type=Label) for record in records(log, LABELS)]
    reported = [label.reported_at for label in after]
    assert 0 < len(after) - before < waiting + 20
    assert max(reported) <= moment(int(clock.now() * 1e6))


def test_every_user_of_the_population_who_paid_is_introduced_once(log):
    population = Population(seed=7, users=40)
    publisher = log.publisher()
    backfill(Sender(publisher, population), population, timedelta(days=3), StillClock(NOW))
    publisher.close()

    users = [msgspec.json.decode(record.value, type=User) for record in records(log, USERS)]

    assert sorted(user.user_id for user in users) == sorted({one.user_id for one in transactions(log)})
    assert all(user.name and user.home_city for user in users)


def test_broken_messages_are_mixed_in(log):
    sent = sent_to(log, Population(seed=7, users=300), StillClock(NOW), Live(rate=100.0, seconds=8), malformed=0.2)

    assert sent.payments == 800
    assert 0.15 < sent.broken / (sent.broken + sent.payments) < 0.25
    assert len(records(log, TRANSACTIONS)) == sent.payments + sent.broken


def test_stopping_ends_at_once_with_everything_sent_in_the_log(log):
    class Interrupted(StillClock):
        def sleep(self, seconds):
            super().sleep(seconds)
            if self.now() > NOW + 3:
                self.stop()

    clock = Interrupted(NOW)
    sent = sent_to(log, Population(seed=7, users=300), clock, Live(rate=20.0, seconds=None))

    assert 0 < sent.payments < 100
    assert len(transactions(log)) == sent.payments


def test_a_stopped_backfill_ends_where_it_is(log):
    clock = StillClock(NOW)
    clock.stop()
    publisher = log.publisher()
    sender = Sender(publisher, Population(seed=7, users=40))

    backfill(sender, Population(seed=7, users=40), timedelta(days=3), clock)
    publisher.close()

    assert sender.sent.payments == 0
