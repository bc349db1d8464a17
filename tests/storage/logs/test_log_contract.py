"""What every log promises to whoever writes and reads records."""

import time

import pytest
from kafka.partitioner.default import murmur2

from fraud.errors import LogError
from storage.logs.log import ALL_TOPICS, MAX_RECORD_BYTES, Topic
from tests.storage.logs.traffic import PARTITIONS, everything, make, publish, publish_apart, until


@pytest.mark.parametrize("key", [b"", b"u", b"user", b"user-12345", b"\x00\xff\x80", "käthe".encode()])
def test_a_key_goes_where_kafkas_own_clients_would_send_it(log, topic, key):
    make(log, topic)

    [(partition, _offset, _received_at)] = publish(log, topic, [b"value"], key=key)

    assert partition == (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def test_records_of_one_partition_keep_their_order(log, topic):
    make(log, topic)
    values = [b"%d" % number for number in range(2_000)]

    acknowledged = publish(log, topic, values)

    assert [offset for _partition, offset, _received_at in acknowledged] == list(range(2_000))
    assert [record.value for record in everything(log, topic)] == values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(None, b"value", id="no key"),
        pytest.param(b"key", None, id="no value"),
        pytest.param(b"", b"", id="both empty"),
        pytest.param(b"\x00\xff", b"\xc3\x28\x00{", id="no text at all"),
    ],
)
def test_key_and_value_come_back_as_they_were(log, topic, key, value):
    make(log, topic)

    publish(log, topic, [value], key=key)

    assert [(record.key, record.value) for record in everything(log, topic)] == [(key, value)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(b"k", bytes(MAX_RECORD_BYTES), id="one byte over the limit"),
        pytest.param(None, None, id="neither key nor value"),
    ],
)
def test_a_refused_record_leaves_the_publisher_usable(log, topic, key, value):
    make(log, topic)
    publisher = log.publisher()
    publisher.send(topic, b"k", b"before")

    with pytest.raises(LogError, match="not sent"):
        publisher.send(topic, key, value)
    publisher.send(topic, b"k", b"after")
    publisher.close()

    assert [record.value for record in everything(log, topic)] == [b"before", b"after"]


def test_a_record_at_the_limit_is_taken(log, topic):
    make(log, topic)

    publish(log, topic, [bytes(MAX_RECORD_BYTES - 4)], key=b"user")

    assert [len(record.value or b"") for record in everything(log, topic)] == [MAX_RECORD_BYTES - 4]


def test_received_at_is_the_logs_clock_in_whole_milliseconds(log, topic):
    make(log, topic)
    before = time.time_ns() // 1_000_000

    acknowledged = publish(log, topic, [b"1", b"2"])

    after = time.time_ns() // 1_000_000
    assert [record.received_at for record in everything(log, topic)] == [at for _partition, _offset, at in acknowledged]
    assert all(before <= at / 1000 <= after and at % 1000 == 0 for _partition, _offset, at in acknowledged)


def test_a_record_arrives_soon_without_flush(log, topic):
    make(log, topic)
    publisher = log.publisher()

    publisher.send(topic, b"user", b"value")

    until(lambda: len(everything(log, topic)) == 1, "the record is in the log")
    publisher.close()


def test_a_moment_has_the_offset_of_the_first_record_from_then_on(log, topic):
    make(log, topic, partitions=1)
    first, second, third = publish_apart(log, topic, [b"1", b"2", b"3"])

    def offset_at(received_at: int) -> int:
        return log.offset_at(topic, 0, received_at)

    assert offset_at(0) == 0
    assert offset_at(first) == 0
    assert offset_at(first + 1) == 1
    assert offset_at(second - 1) == 1
    assert offset_at(second) == 1
    assert offset_at(third) == 2
    assert offset_at(third + 1) == 3


def test_an_empty_partition_has_its_end_at_every_moment(log, topic):
    make(log, topic)

    assert log.bounds(topic, 0) == (0, 0)
    assert log.offset_at(topic, 0, 0) == 0
    assert list(log.read(topic, 0, 0)) == []


@pytest.mark.parametrize(
    ("start", "end", "offsets"),
    [
        pytest.param(0, None, range(10), id="all of it"),
        pytest.param(3, 7, range(3, 7), id="a part"),
        pytest.param(3, 3, [], id="nothing"),
        pytest.param(9, None, [9], id="the last one"),
        pytest.param(10, None, [], id="the end"),
        pytest.param(8, 99, [8, 9], id="at most to the end as it is now"),
    ],
)
def test_reading_is_bounded(log, topic, start, end, offsets):
    make(log, topic, partitions=1)
    publish(log, topic, [b"%d" % number for number in range(10)])

    read = list(log.read(topic, 0, start, end))

    assert [(record.partition, record.offset, record.value) for record in read] == [
        (0, offset, b"%d" % offset) for offset in offsets
    ]


def test_reading_ends_where_the_log_ended_when_it_began(log, topic):
    make(log, topic, partitions=1)
    publish(log, topic, [b"before"])
    reading = log.read(topic, 0, 0)
    first = next(reading)

    publish(log, topic, [b"meanwhile"])

    assert [first.value, *(record.value for record in reading)] == [b"before"]


@pytest.mark.parametrize("start", [pytest.param(-1, id="before the start"), pytest.param(2, id="behind the end")])
def test_reading_what_the_log_does_not_hold_is_an_alarm(log, topic, start):
    make(log, topic, partitions=1)
    publish(log, topic, [b"value"])

    with pytest.raises(LogError, match="holds offsets 0 to 1"):
        list(log.read(topic, 0, start))


def test_topics_have_ids_of_their_own_that_stay(log, topic):
    make(log, topic)
    make(log, f"{topic}.other")
    before = log.topic_id(topic)

    publish(log, topic, [b"value"])

    assert log.topic_id(topic) == before != log.topic_id(f"{topic}.other")


def test_creating_leaves_existing_topics_as_they_are(log, topic):
    make(log, topic, partitions=2)
    before = log.topic_id(topic)

    log.create([Topic(name=topic, partitions=5), Topic(name=f"{topic}.new", partitions=1)])

    assert (log.partitions(topic), log.topic_id(topic)) == (2, before)
    assert log.partitions(f"{topic}.new") == 1


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda log: log.partitions("absent"), id="partitions"),
        pytest.param(lambda log: log.topic_id("absent"), id="id"),
        pytest.param(lambda log: log.bounds("absent", 0), id="bounds"),
        pytest.param(lambda log: log.offset_at("absent", 0, 0), id="offset at a moment"),
        pytest.param(lambda log: list(log.read("absent", 0, 0)), id="read"),
        pytest.param(lambda log: log.group_reader("absent", "group"), id="group reader"),
        pytest.param(lambda log: log.publisher().send("absent", b"key", b"value"), id="send"),
    ],
)
def test_a_missing_topic_names_the_command_that_makes_it(log, ask):
    with pytest.raises(LogError, match="no topic `absent`: run `fraud init`"):
        ask(log)


def test_the_products_topics_as_created_are_no_problem(log):
    log.create([Topic(name=name, partitions=1, keep_for_ever=True) for name in ALL_TOPICS])

    assert log.problems() == []
