from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraud.schema import Label, Transaction
from producer.foreign import replay
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import LABELS, TRANSACTIONS, Topic

START = datetime(2018, 4, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MAPPING = """\
columns: {transaction_id: ID, user_id: USER, event_time: AT, amount: AMOUNT}
label: {column: FRAUD, fraud: [1], legitimate: [0], delay: 90m}
"""


class Sent:
    """A publisher that keeps what was sent with the moment; a clock that only sleeping moves."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.records: list[tuple[float, str, str]] = []
        self.values: list[bytes] = []
        self.keys: list[bytes | None] = []
        self.slept: list[float] = []
        self.flushed = 0
        self._elapsed = 0.0
        self._interrupt_at = interrupt_at

    def send(self, topic, key, value, on_ack=None):
        if len(self.records) == self._interrupt_at:
            raise KeyboardInterrupt
        name = msgspec.json.decode(value)["transaction_id"]
        self.records.append((round(self._elapsed, 6), topic, name))
        self.values.append(value)
        self.keys.append(key)

    def flush(self):
        self.flushed = len(self.records)

    def close(self):
        self.flush()

    def clock(self):
        return NOW + timedelta(seconds=self._elapsed)

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self._elapsed += seconds


@pytest.fixture
def replayed(tmp_path):
    def replay_rows(sent, hours=(0, 1, 2, 3), mapping=MAPPING, **asked):
        table = pa.table(
            {
                "ID": [f"t-{hour}" for hour in hours],
                "USER": [f"u-{at % 2}" for at in range(len(hours))],
                "AT": [(START + timedelta(hours=hour)).replace(tzinfo=None) for hour in hours],
                "AMOUNT": [10.0] * len(hours),
                "FRAUD": [at % 2 for at in range(len(hours))],
            }
        )
        pq.write_table(table, tmp_path / "foreign.parquet")
        (tmp_path / "mapping.yaml").write_text(mapping)
        defaults = {"speedup": None, "shift_to_now": False, "limit": None, "on_progress": None}
        return replay(
            tmp_path / "foreign.parquet",
            tmp_path / "mapping.yaml",
            sent,
            **{"clock": sent.clock, "sleep": sent.sleep, **defaults, **asked},
        )

    return replay_rows


def payments(sent):
    return [
        msgspec.json.decode(value, type=Transaction)
        for (_, topic, _), value in zip(sent.records, sent.values, strict=True)
        if topic == TRANSACTIONS
    ]


def test_payments_go_out_in_order_and_labels_once_their_time_has_come(replayed):
    sent = Sent()

    report = replayed(sent)

    assert [(topic, name) for _, topic, name in sent.records] == [
        (TRANSACTIONS, "t-0"),
        (TRANSACTIONS, "t-1"),
        (LABELS, "t-0"),
        (TRANSACTIONS, "t-2"),
        (LABELS, "t-1"),
        (TRANSACTIONS, "t-3"),
    ]
    assert sent.slept == []
    assert (report.payments, report.labels, report.labels_open) == (4, 2, 2)
    assert (report.first, report.last, report.interrupted) == (START, START + timedelta(hours=3), False)


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        pytest.param("59m", ["t-0", "T-0", "t-1"], id="reported before the next payment"),
        pytest.param("1h", ["t-0", "t-1", "T-0"], id="reported at the moment of the last payment"),
        pytest.param("61m", ["t-0", "t-1"], id="reported after the last payment"),
        pytest.param("0s", ["t-0", "T-0", "t-1", "T-1"], id="known at once, never before the payment"),
    ],
)
def test_a_label_is_never_early(replayed, delay, expected):
    sent = Sent()

    replayed(sent, hours=(0, 1), mapping=MAPPING.replace("90m", delay))

    told = [name.upper() if topic == LABELS else name for _, topic, name in sent.records]
    assert told == expected


def test_a_label_names_its_payment_and_both_are_keyed_by_the_user(replayed):
    sent = Sent()

    replayed(sent, hours=(0, 1, 2, 3))

    at = [topic for _, topic, _ in sent.records].index(LABELS)
    label = msgspec.json.decode(sent.values[at], type=Label)
    assert (label.transaction_id, label.user_id, label.event_time) == ("t-0", "u-0", START)
    assert label.reported_at == START + timedelta(minutes=90)
    assert sent.keys == [msgspec.json.decode(value)["user_id"].encode() for value in sent.values]


@pytest.mark.parametrize("speedup", [1.0, 60.0, 3_600.0])
def test_the_pace_is_that_of_the_file_times_the_speed(replayed, speedup):
    sent = Sent()

    report = replayed(sent, speedup=speedup)

    due = [at for at, topic, _ in sent.records if topic == TRANSACTIONS]
    assert due == pytest.approx([hour * 3_600 / speedup for hour in range(4)], abs=1e-5)
    assert report.seconds == pytest.approx(3 * 3_600 / speedup, abs=1e-5)


def test_a_label_goes_out_at_its_own_moment_of_the_replay(replayed):
    sent = Sent()

    replayed(sent, speedup=3_600.0)

    assert [at for at, topic, _ in sent.records if topic == LABELS] == pytest.approx([1.5, 2.5], abs=1e-5)


def test_a_replay_that_is_behind_does_not_wait(replayed):
    sent = Sent()
    slow = iter([NOW, *[NOW + timedelta(hours=9)] * 100])

    replayed(sent, speedup=1.0, clock=lambda: next(slow))

    assert sent.slept == []


@pytest.mark.parametrize(
    ("speedup", "last_sent_after"),
    [
        pytest.param(None, timedelta(0), id="as fast as possible: the start"),
        pytest.param(60.0, timedelta(minutes=3), id="sixty times as fast"),
        pytest.param(1.0, timedelta(hours=3), id="at its own pace"),
    ],
)
def test_the_last_payment_falls_on_the_moment_it_is_sent(replayed, speedup, last_sent_after):
    sent = Sent()

    report = replayed(sent, speedup=speedup, shift_to_now=True)

    made = payments(sent)
    assert made[-1].event_time == NOW + last_sent_after == sent.clock() == report.last
    assert [later.event_time - made[0].event_time for later in made] == [timedelta(hours=hour) for hour in range(4)]


def test_the_last_payment_within_the_limit_is_the_one_that_falls_on_now(replayed):
    sent = Sent()

    report = replayed(sent, limit=timedelta(hours=2), shift_to_now=True)

    assert (report.payments, report.last) == (2, NOW)
    assert [one.transaction_id for one in payments(sent)] == ["t-0", "t-1"]


def test_an_interrupt_flushes_and_reports(replayed):
    sent = Sent(interrupt_at=3)

    report = replayed(sent)

    assert (report.interrupted, report.payments, report.labels, sent.flushed) == (True, 2, 1, 3)


def test_everything_is_flushed_at_the_end_and_before_a_long_pause(replayed):
    waited: list[int] = []
    sent = Sent()

    def sleep(seconds):
        waited.append(sent.flushed)
        sent.sleep(seconds)

    replayed(sent, speedup=1.0, sleep=sleep)

    assert waited == [1, 2, 3, 4, 5]
    assert sent.flushed == 6


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
def test_progress_adds_up(replayed, count):
    told: list[int] = []

    replayed(Sent(), hours=tuple(range(count + 1)), on_progress=told.append)

    assert sum(told) == count + 1


def test_what_is_not_carried_is_noted(replayed):
    report = replayed(Sent(), mapping=MAPPING + "features: {numeric: [AMOUNT]}\n")

    assert report.notes == ("a transaction has no field for features AMOUNT: not replayed",)


def test_a_replay_reaches_a_real_log(replayed, tmp_path):
    log = EmbeddedLog(tmp_path / "log")
    log.create([Topic(name=TRANSACTIONS, partitions=3), Topic(name=LABELS, partitions=1)])
    publisher = log.publisher()
    quiet = Sent()

    path, mapping = tmp_path / "foreign.parquet", tmp_path / "mapping.yaml"
    replayed(quiet)
    replay(path, mapping, publisher, speedup=None, shift_to_now=False, limit=None, on_progress=None)
    publisher.close()

    records = [record for partition in range(3) for record in log.read(TRANSACTIONS, partition, 0)]
    assert sorted(msgspec.json.decode(record.value or b"")["transaction_id"] for record in records) == [
        "t-0",
        "t-1",
        "t-2",
        "t-3",
    ]
    assert len(list(log.read(LABELS, 0, 0))) == 2
    log.close()
