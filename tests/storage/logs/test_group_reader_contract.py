"""What every log promises to the members of a group."""

import pytest

from fraud.errors import LogError
from tests.storage.logs.traffic import PARTITIONS, join, make, poll_values, publish

GROUP = "group"


@pytest.fixture
def reader(log, topic):
    """The first member of a group on a topic with three partitions."""
    opened = log.group_reader(make(log, topic), f"{GROUP}-{topic}")
    yield opened
    opened.close()


def test_a_gained_partition_delivers_nothing_until_seek(log, topic, reader):
    publish(log, topic, [b"value"])
    join(reader, start=None)

    assert len(reader.poll(300, 100)) == 0


def test_an_unchanged_assignment_says_nothing(reader):
    join(reader)

    reader.poll(100, 100)

    assert (list(reader.assignment().gained), list(reader.assignment().lost)) == ([], [])


def test_records_come_in_columns_as_the_log_has_them(log, topic, reader):
    acknowledged = publish(log, topic, [b"1", b"2", b"3"])
    join(reader)

    polled = reader.poll(10_000, 100)

    assert (
        list(zip(polled.partition.tolist(), polled.offset.tolist(), polled.received_at.tolist(), strict=True))
        == acknowledged
    )
    assert list(polled.values) == [b"1", b"2", b"3"]


@pytest.mark.parametrize("max_records", [1, 7, 100, 10_000])
def test_every_record_is_delivered_once_in_order_however_few_a_poll_may_take(log, topic, reader, max_records):
    values = [b"%d" % number for number in range(120)]
    publish(log, topic, values)
    join(reader)

    assert poll_values(reader, len(values), max_records) == values
    assert len(reader.poll(100, 100)) == 0


def test_records_of_every_partition_are_delivered(log, topic, reader):
    publisher = log.publisher()
    for number in range(600):
        publisher.send(topic, b"user-%d" % number, b"%d" % number)
    publisher.close()
    join(reader)

    values = poll_values(reader, 600, max_records=50)

    assert sorted(map(bytes, filter(None, values))) == sorted(b"%d" % number for number in range(600))


def test_what_arrives_later_is_delivered_too(log, topic, reader):
    join(reader)
    publish(log, topic, [b"first"])
    assert poll_values(reader, 1) == [b"first"]

    publish(log, topic, [b"second"])

    assert poll_values(reader, 1) == [b"second"]


def test_seek_delivers_again(log, topic, reader):
    [(partition, _offset, _at), *_rest] = publish(log, topic, [b"0", b"1", b"2"])
    join(reader)
    poll_values(reader, 3)

    reader.seek(partition, 1)

    assert poll_values(reader, 2) == [b"1", b"2"]


def test_a_paused_reader_delivers_nothing_until_resumed(log, topic, reader):
    publish(log, topic, [b"%d" % number for number in range(10)])
    join(reader)
    assert poll_values(reader, 3, max_records=3) == [b"0", b"1", b"2"]

    reader.pause()
    assert len(reader.poll(300, 100)) == 0

    reader.resume()
    assert poll_values(reader, 7) == [b"%d" % number for number in range(3, 10)]


def test_seek_does_not_end_a_pause(log, topic, reader):
    publish(log, topic, [b"value"])
    join(reader, start=None)

    reader.pause()
    for partition in range(PARTITIONS):
        reader.seek(partition, 0)
    assert len(reader.poll(300, 100)) == 0

    reader.resume()
    assert poll_values(reader, 1) == [b"value"]


def test_nothing_is_committed_by_itself(log, topic, reader):
    publish(log, topic, [b"value"])
    join(reader)
    poll_values(reader, 1)

    assert [reader.committed(partition) for partition in range(PARTITIONS)] == [None] * PARTITIONS


def test_the_next_member_finds_what_was_committed(log, topic):
    publish(log, make(log, topic), [b"%d" % number for number in range(10)])
    first = log.group_reader(topic, f"{GROUP}-{topic}")
    join(first)
    first.commit({0: 4, 2: 7})
    first.commit({0: 5})
    first.close()

    second = log.group_reader(topic, f"{GROUP}-{topic}")

    assert [second.committed(partition) for partition in range(PARTITIONS)] == [5, None, 7]
    second.close()


def test_what_a_group_has_committed_can_be_asked_without_joining_it(log, topic, reader):
    publish(log, topic, [b"%d" % number for number in range(10)])
    join(reader)
    reader.commit({0: 4, 2: 7})
    reader.commit({0: 5})

    assert log.committed(topic, f"{GROUP}-{topic}") == {0: 5, 2: 7}
    assert log.committed(topic, f"nobody-{topic}") == {}


def test_groups_do_not_know_each_other(log, topic, reader):
    join(reader)
    reader.commit({0: 4})

    other = log.group_reader(topic, f"other-{topic}")

    assert other.committed(0) is None
    other.close()


def test_the_end_is_known_before_it_is_reached(log, topic, reader):
    [(partition, _offset, _at), *_rest] = publish(log, topic, [b"0", b"1", b"2"])
    join(reader)

    others = [other for other in range(PARTITIONS) if other != partition]
    assert reader.end_offsets([partition]) == {partition: 3}
    assert reader.end_offsets([*others, partition]) == {partition: 3, **dict.fromkeys(others, 0)}
    assert reader.end_offsets([]) == {}


def test_an_offset_that_the_log_does_not_hold_is_an_alarm(log, topic, reader):
    publish(log, topic, [b"value"])
    join(reader)

    reader.seek(0, 99)

    with pytest.raises(LogError, match="truncated or"):
        poll_values(reader, 100)
