"""What the embedded log promises beyond the contract."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.errors import LogAwayError, LogError
from storage.logs.embedded_file import FILE_NAME
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import Problem, Record, Topic
from tests.services.full_disk import no_file_longer_than
from tests.storage.logs.traffic import PARTITIONS, everything, join, make, poll_values, publish, until

HOUR = 3_600_000_000
LONG_AGO = 1_600_000_000_000_000


def now() -> int:
    return time.time_ns() // 1000


def record(offset: int, received_at: int = LONG_AGO, partition: int = 0) -> Record:
    return Record(partition, offset, received_at, b"key-%d" % offset, b"value-%d" % offset)


def test_a_second_member_of_a_group_is_told_who_the_first_is(embedded_log, topic):
    first = embedded_log.group_reader(make(embedded_log, topic), "fraud", "consumer-1")

    with pytest.raises(LogError, match=rf"fraud of {topic} is being read by consumer-1 \(process {os.getpid()}\)"):
        embedded_log.group_reader(topic, "fraud")

    first.close()
    embedded_log.group_reader(topic, "fraud").close()


def test_a_killed_process_leaves_its_records_and_no_lock(embedded_log, topic, tmp_path):
    make(embedded_log, topic)
    script = f"""
import sys
from pathlib import Path
from storage.logs.embedded_log import EmbeddedLog
log = EmbeddedLog(Path({str(tmp_path / "log")!r}))
reader = log.group_reader({topic!r}, "fraud")
publisher = log.publisher()
publisher.send({topic!r}, b"user", b"value")
publisher.flush()
print("ready", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    with pytest.raises(LogError, match=f"process {process.pid}"):
        embedded_log.group_reader(topic, "fraud")

    process.send_signal(signal.SIGKILL)
    process.communicate()

    reader = embedded_log.group_reader(topic, "fraud")
    join(reader)
    assert poll_values(reader, 1) == [b"value"]
    reader.close()


def test_a_waiting_reader_gets_what_another_thread_sends(embedded_log, topic):
    reader = embedded_log.group_reader(make(embedded_log, topic), "fraud")
    join(reader)
    sending = threading.Thread(target=publish, args=(embedded_log, topic, [b"value"]))

    sending.start()
    polled = reader.poll(30_000, 10)

    assert list(polled.values) == [b"value"]
    sending.join()
    reader.close()


def test_partitions_are_served_in_turn(embedded_log, topic):
    make(embedded_log, topic)
    publisher = embedded_log.publisher()
    for number in range(600):
        publisher.send(topic, b"user-%d" % number, b"value")
    publisher.close()
    reader = embedded_log.group_reader(topic, "fraud")
    join(reader)

    first_of_each_poll = [int(reader.poll(0, 10).partition[0]) for _poll in range(PARTITIONS)]

    assert sorted(first_of_each_poll) == list(range(PARTITIONS))
    reader.close()


def test_simulated_history_is_appended_at_its_own_moments(embedded_log, topic):
    make(embedded_log, topic, partitions=1)
    moments = iter([LONG_AGO, LONG_AGO + 5_999, LONG_AGO + 2_000, now() + HOUR])
    publisher = embedded_log.publisher(moments.__next__)

    for _record in range(4):
        publisher.send(topic, b"user", b"value")
    publisher.close()

    received = [record.received_at for record in everything(embedded_log, topic)]
    assert received[:3] == [LONG_AGO, LONG_AGO + 5_000, LONG_AGO + 5_000]
    assert now() - HOUR < received[3] <= now()
    assert embedded_log.offset_at(topic, 0, LONG_AGO + 1) == 1


def test_the_append_clock_never_goes_back(embedded_log, topic):
    make(embedded_log, topic)
    ahead = now() // 1000 * 1000 + HOUR
    embedded_log.import_records(topic, [record(0, ahead)])

    real = publish(embedded_log, topic, [b"real"])
    publisher = embedded_log.publisher(lambda: LONG_AGO)
    publisher.send(topic, b"user", b"simulated")
    publisher.close()

    assert [received_at for _partition, _offset, received_at in real] == [ahead]
    assert {record.received_at for record in everything(embedded_log, topic)} == {ahead}
    assert (
        embedded_log.problems()[-1].says == "the log's append clock is 3600 s ahead: this machine's clock was set back"
    )


def test_an_import_keeps_identity_partition_offset_and_received_at(embedded_log, topic):
    embedded_log.adopt(topic, "cluster.topic", [(5, 12), (0, 0)])
    records = [record(5), record(6, LONG_AGO + 3_000), record(9, LONG_AGO + 1_000)]

    assert embedded_log.import_records(topic, iter(records)) == 3

    assert embedded_log.topic_id(topic) == "cluster.topic"
    assert [embedded_log.bounds(topic, partition) for partition in (0, 1)] == [(5, 12), (0, 0)]
    assert list(embedded_log.read(topic, 0, 5)) == records
    assert list(embedded_log.read(topic, 0, 7)) == records[2:]


def test_a_moment_is_found_also_where_the_brokers_clock_went_back(embedded_log, topic):
    make(embedded_log, topic, partitions=1)
    for number, minute in enumerate([10, 30, 20, 40]):
        embedded_log.import_records(topic, [record(number, LONG_AGO + minute * 60_000_000)])

    offsets = [embedded_log.offset_at(topic, 0, LONG_AGO + minute * 60_000_000) for minute in (10, 20, 30, 31, 41)]

    assert offsets == [0, 1, 1, 3, 4]


def test_an_imported_log_goes_on_where_it_ended(embedded_log, topic):
    embedded_log.adopt(topic, "cluster.topic", [(5, 12)])
    embedded_log.import_records(topic, [record(5)])

    assert [offset for _partition, offset, _received_at in publish(embedded_log, topic, [b"new"])] == [12]


@pytest.mark.parametrize(
    "offsets",
    [pytest.param([4], id="imported before"), pytest.param([7, 6], id="going back"), pytest.param([7, 7], id="twice")],
)
def test_offsets_that_are_already_here_are_refused_whole(embedded_log, topic, offsets):
    make(embedded_log, topic)
    embedded_log.import_records(topic, [record(4)])

    with pytest.raises(LogError, match="its offsets go back"):
        embedded_log.import_records(topic, [record(offset) for offset in offsets])

    assert [found.offset for found in embedded_log.read(topic, 0, 0)] == [4]


def test_a_topic_that_is_here_cannot_be_adopted(embedded_log, topic):
    make(embedded_log, topic)

    with pytest.raises(LogError, match="already has a topic"):
        embedded_log.adopt(topic, "cluster.topic", [(0, 0)])


@settings(max_examples=50)
@given(
    steps=st.lists(st.integers(1, 4), min_size=1, max_size=60),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    polls=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    start=st.integers(0, 59),
)
def test_gaps_and_any_cut_into_chunks_and_polls_deliver_the_same_records(tmp_path_factory, steps, cuts, polls, start):
    log = EmbeddedLog(tmp_path_factory.mktemp("log"))
    make(log, "topic", partitions=1)
    offsets = [sum(steps[:number]) for number in range(len(steps))]
    waiting = list(offsets)
    for turn in range(len(offsets)):
        cut = cuts[turn % len(cuts)]
        log.import_records("topic", [record(offset) for offset in waiting[:cut]])
        waiting = waiting[cut:]
    reader = log.group_reader("topic", "group")
    start = min(start, offsets[-1])
    reader.seek(0, start)

    delivered: list[int] = []
    for turn in range(len(offsets) + 1):
        polled = reader.poll(0, polls[turn % len(polls)])
        assert list(polled.values) == [b"value-%d" % offset for offset in polled.offset]
        delivered.extend(polled.offset.tolist())

    assert delivered == [offset for offset in offsets if offset >= start]
    reader.close()
    log.close()


def test_a_publisher_can_be_closed_at_any_moment(embedded_log, topic):
    make(embedded_log, topic)

    for number in range(30):
        publisher = embedded_log.publisher()
        publisher.send(topic, b"user", b"%d" % number)
        if number % 2:
            until(lambda: everything(embedded_log, topic)[-1].value == b"%d" % number, "the record is in")  # noqa: B023
        publisher.close()

    assert [record.value for record in everything(embedded_log, topic)] == [b"%d" % number for number in range(30)]


def test_two_publishers_share_a_partition(embedded_log, topic):
    make(embedded_log, topic, partitions=1)

    first, second = embedded_log.publisher(), embedded_log.publisher()
    for number in range(50):
        first.send(topic, b"user", b"first-%d" % number)
        second.send(topic, b"user", b"second-%d" % number)
    first.close()
    second.close()

    found = everything(embedded_log, topic)
    assert [record.offset for record in found] == list(range(100))
    for name in (b"first", b"second"):
        mine = [record.value for record in found if record.value and record.value.startswith(name)]
        assert mine == [name + b"-%d" % number for number in range(50)]


ROOM = 100_000
"""Bytes: less than the log's files have, more than those of a test run that are written meanwhile."""


def test_a_full_disk_is_one_line_leaves_nothing_half_and_is_waited_for(embedded_log, topic, tmp_path):
    make(embedded_log, topic)
    publish(embedded_log, topic, [b"x" * ROOM, b"y" * ROOM])
    publisher, reader = embedded_log.publisher(), embedded_log.group_reader(topic, topic)
    join(reader)
    reader.commit({0: 1})
    acknowledged: list[int] = []

    with no_file_longer_than(ROOM):
        for number in range(5):
            publisher.send(topic, b"user", b"%d" % number, lambda _partition, offset, _at: acknowledged.append(offset))
        with pytest.raises(LogAwayError) as raised:
            publisher.flush()
        with pytest.raises(LogAwayError):
            reader.commit({0: 2})
        with pytest.raises(LogAwayError):
            EmbeddedLog(tmp_path / "log").create([Topic(name="another", partitions=1)])
    assert "\n" not in str(raised.value)
    assert (acknowledged, reader.committed(0)) == ([], 1)

    publisher.flush()
    reader.commit({0: 2})

    assert acknowledged == [2, 3, 4, 5, 6]
    assert reader.committed(0) == 2
    assert [len(value or b"") for value in poll_values(reader, 7)] == [ROOM, ROOM, 1, 1, 1, 1, 1]
    publisher.close()
    reader.close()


def test_a_poll_that_fails_in_the_middle_takes_nothing(embedded_log, topic, tmp_path):
    make(embedded_log, topic)
    keys = [b"%d" % number for number in range(30)]
    for key in keys:
        publish(embedded_log, topic, [key], key=key)
    reader = embedded_log.group_reader(topic, topic)
    join(reader)
    with closing(sqlite3.connect(tmp_path / "log" / FILE_NAME)) as other:
        [(number, payloads)] = other.execute("SELECT id, payloads FROM chunk WHERE partition = 1 LIMIT 1").fetchall()
        other.execute("UPDATE chunk SET payloads = x'c1' WHERE id = ?", (number,))
        other.commit()
        for _turn in range(PARTITIONS):
            with pytest.raises(msgspec.DecodeError):
                reader.poll(100, 100)
        other.execute("UPDATE chunk SET payloads = ? WHERE id = ?", (payloads, number))
        other.commit()

    assert sorted(value or b"" for value in poll_values(reader, len(keys))) == sorted(keys)
    reader.close()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LogError, match="cannot be made"):
        EmbeddedLog(tmp_path / "file" / "log")


def test_a_file_that_is_no_log_is_one_line(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"nothing that SQLite knows" * 100)

    with pytest.raises(LogError, match="file is not a database"):
        EmbeddedLog(tmp_path)


def test_a_file_of_another_release_is_refused(tmp_path):
    EmbeddedLog(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(LogError, match="format 99"):
        EmbeddedLog(tmp_path)


def test_missing_topics_are_a_problem(embedded_log):
    missing = Problem(says="topic `transactions` is missing: run `fraud init`", forbids_start=True)
    assert missing in embedded_log.problems()
