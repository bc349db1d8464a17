"""What only a real Kafka can show: rebalances, refusals, crashes, expiry."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from fraud.errors import LogError, PoisonedError
from storage.logs.copying import import_topics
from storage.logs.kafka_connection import KafkaSecurity
from storage.logs.kafka_log import KafkaLog
from storage.logs.log import MAX_BATCH_BYTES, MAX_RECORD_BYTES, Problem, Topic
from tests.services.kafka import PASSWORD, USER, Broker
from tests.services.server import free_port
from tests.storage.logs.traffic import everything, join, make, poll_values, publish, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def admin(kafka):
    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    yield client
    client.close()


def follow(reader, held: set[int]) -> None:
    """One poll, then what it changed; gained partitions start at 0."""
    reader.poll(100, 100)
    changes = reader.assignment()
    held.difference_update(changes.lost)
    held.update(changes.gained)
    for partition in changes.gained:
        reader.seek(partition, 0)


@contextmanager
def following(reader, held: set[int]) -> Iterator[None]:
    """Keep another member polling meanwhile, as its own process would."""
    is_over = threading.Event()

    def poll_on() -> None:
        while not is_over.is_set():
            follow(reader, held)

    polling = threading.Thread(target=poll_on)
    polling.start()
    try:
        yield
    finally:
        is_over.set()
        polling.join()


def test_partitions_move_between_members_without_stopping_the_others(kafka_log, topic):
    make(kafka_log, topic, partitions=4)
    first, second = (kafka_log.group_reader(topic, topic) for _member in range(2))
    held_by_first: set[int] = set()
    held_by_second: set[int] = set()
    join(first, partitions=4)
    held_by_first.update(range(4))

    lost: set[int] = set()

    def is_shared() -> bool:
        before = set(held_by_first)
        follow(first, held_by_first)
        follow(second, held_by_second)
        lost.update(before - held_by_first)
        return len(held_by_first) == len(held_by_second) == 2

    until(is_shared, "each member has two partitions")

    assert held_by_first | held_by_second == set(range(4))
    assert lost == held_by_second, "a partition that stays is never taken away"

    second.close()

    def has_all_again() -> bool:
        follow(first, held_by_first)
        return len(held_by_first) == 4

    until(has_all_again, "the first member has everything again")
    first.close()


def test_a_partition_that_moved_away_is_left_out_of_a_commit(kafka_log, topic):
    make(kafka_log, topic, partitions=2)
    first, second = (kafka_log.group_reader(topic, topic) for _member in range(2))
    join(first, partitions=2)
    held: set[int] = set()

    def has_moved() -> bool:
        first.poll(100, 100)
        follow(second, held)
        return len(held) == 1

    until(has_moved, "one partition moved")
    [moved] = held
    for partition in first.assignment().gained:  # what stayed was let go in the rebalance like everything else
        first.seek(partition, 0)
    second.commit({moved: 7})
    with following(second, held):
        first.commit({0: 3, 1: 3})

    assert first.committed(moved) == 7
    assert first.committed(1 - moved) == 3
    first.close()
    second.close()


def test_a_move_that_fixed_members_crashed_in_is_finished_when_they_are_back(kafka_log, topic):
    make(kafka_log, topic, partitions=4)
    first = kafka_log.group_reader(topic, topic, "one")
    held: set[int] = set()

    def has_everything() -> bool:
        follow(first, held)
        return len(held) == 4

    until(has_everything, "the first member has everything")
    second = kafka_log.group_reader(topic, topic, "two")

    def has_let_go() -> bool:
        second.poll(20, 100)
        follow(first, held)
        return len(held) < 4

    until(has_let_go, "the first member let partitions go for the second")
    first.close()  # a fixed member stays known to the group, as when it crashes
    second.close()

    again = [kafka_log.group_reader(topic, topic, name) for name in ("one", "two")]
    shares: list[set[int]] = [set(), set()]

    def is_shared() -> bool:
        for reader, share in zip(again, shares, strict=True):
            follow(reader, share)
        return set.union(*shares) == set(range(4))

    until(is_shared, "every partition belongs to somebody")
    assert not shares[0] & shares[1]
    for reader in again:
        reader.close()


def test_a_member_whose_name_was_taken_is_fenced_at_its_commit(kafka_log, topic):
    make(kafka_log, topic)
    first = kafka_log.group_reader(topic, topic, "consumer-1")
    join(first)

    second = kafka_log.group_reader(topic, topic, "consumer-1")
    join(second)

    with pytest.raises(LogError, match="another process took this member's name"):
        first.commit({0: 1})
    second.commit({0: 2})
    assert second.committed(0) == 2
    second.close()


def test_a_refused_record_costs_no_other_record_its_place(kafka_log, topic, admin):
    make(kafka_log, topic)
    limit = {"max.message.bytes": "2000"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=limit)])
    publisher = kafka_log.publisher()
    values_by_key: dict[bytes, list[bytes]] = {b"user-%d" % number: [] for number in range(6)}

    for number in range(300):
        key = b"user-%d" % (number % 6)
        value = b"%d" % number
        if number in {100, 170}:
            publisher.send(topic, key, b"too large" * 1_000)
        publisher.send(topic, key, value)
        values_by_key[key].append(value)

    with pytest.raises(
        PoisonedError,
        match=r"refused a record of 9006 bytes .*set max.message.bytes=1048588 .*; everything else was sent",
    ):
        publisher.flush()
    publisher.send(topic, b"user-0", b"later")
    values_by_key[b"user-0"].append(b"later")
    publisher.close()

    records = everything(kafka_log, topic)
    for key, values in values_by_key.items():
        assert [record.value for record in records if record.key == key] == values


def test_publisher_and_reader_outlive_a_crash_of_the_broker(kafka, kafka_log, topic):
    make(kafka_log, topic)
    publisher = kafka_log.publisher()
    reader = kafka_log.group_reader(topic, topic)
    join(reader)
    publisher.send(topic, b"user", b"before")
    publisher.flush()
    assert poll_values(reader, 1) == [b"before"]

    kafka.restart()
    publisher.send(topic, b"user", b"after")
    publisher.close()

    received: list[bytes | None] = []

    def has_come() -> bool:
        received.extend(reader.poll(100, 100).values)
        for (
            partition
        ) in reader.assignment().gained:  # the group may have to meet again, which takes all partitions first
            reader.seek(partition, 0)
        return b"after" in received

    until(has_come, "what was sent after the crash")
    assert set(received) <= {b"before", b"after"}
    reader.commit({0: 1})
    assert reader.committed(0) == 1
    assert [record.value for record in everything(kafka_log, topic)] == [b"before", b"after"]
    reader.close()


def test_an_expired_offset_is_an_alarm_and_never_a_reset(kafka_log, topic, admin):
    make(kafka_log, topic, partitions=1)
    publish(kafka_log, topic, [b"%d" % number for number in range(10)])
    admin.delete_records({TopicPartition(topic, 0): 6})
    reader = kafka_log.group_reader(topic, topic)
    join(reader, partitions=1)

    with pytest.raises(LogError, match="holds offsets 6 to 10, not 0"):
        list(kafka_log.read(topic, 0, 0))
    with pytest.raises(LogError, match="truncated or has expired"):
        poll_values(reader, 1)

    reader.seek(0, 6)
    assert poll_values(reader, 4) == [b"6", b"7", b"8", b"9"]
    reader.close()


def test_reading_ends_behind_records_that_are_not_data(kafka, kafka_log, topic):
    make(kafka_log, topic, partitions=1)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topic)
    producer.init_transactions()
    for value in (b"1", b"2"):
        producer.begin_transaction()
        producer.send(topic, value, partition=0)
        producer.commit_transaction()
    producer.close()

    assert kafka_log.bounds(topic, 0) == (0, 4)
    assert [(record.offset, record.value) for record in kafka_log.read(topic, 0, 0)] == [(0, b"1"), (2, b"2")]


def test_an_import_holds_what_kafka_holds(kafka_log, embedded_log, topic, admin):
    make(kafka_log, topic)
    publisher = kafka_log.publisher()
    for number in range(500):
        publisher.send(topic, b"user-%d" % number, b"%d" % number if number % 7 else None)
    publisher.close()
    admin.delete_records({TopicPartition(topic, 0): 3})
    told: list[int] = []

    imported = import_topics(kafka_log, embedded_log, [topic], told.append)

    assert imported == sum(told) == 497
    assert embedded_log.topic_id(topic) == kafka_log.topic_id(topic)
    assert everything(embedded_log, topic) == everything(kafka_log, topic)
    assert embedded_log.bounds(topic, 0)[0] == 3
    middle = everything(kafka_log, topic)[250].received_at
    for partition in range(3):
        assert embedded_log.bounds(topic, partition) == kafka_log.bounds(topic, partition)
        assert embedded_log.offset_at(topic, partition, middle) == kafka_log.offset_at(topic, partition, middle)


def test_a_topic_too_small_for_a_flag_is_a_problem_and_none_that_is_made_here_is(kafka_log, admin):
    kafka_log.create([Topic(name="flags", partitions=1)])
    assert [problem for problem in kafka_log.problems() if "`flags` takes no record" in problem.says] == []
    resource = ConfigResource(ConfigResourceType.TOPIC, "flags", configs={"max.message.bytes": "2000"})
    admin.alter_configs([resource])

    problems = kafka_log.problems()

    resource.configs = {"max.message.bytes": str(MAX_BATCH_BYTES)}
    admin.alter_configs([resource])
    [problem] = [problem for problem in problems if "`flags` takes no record over 2000 bytes" in problem.says]
    assert problem.forbids_start


def test_the_largest_record_of_all_fits_into_a_topic_that_is_made_here(kafka_log, topic):
    make(kafka_log, topic)
    publisher = kafka_log.publisher()
    publisher.send(topic, b"k", bytes(MAX_RECORD_BYTES - 1))
    publisher.send(topic, b"k", b"behind it")

    publisher.close()

    assert [len(record.value or b"") for record in everything(kafka_log, topic)] == [MAX_RECORD_BYTES - 1, 9]


def test_a_topic_kept_by_senders_clocks_is_a_problem(kafka_log, admin):
    kafka_log.create([Topic(name="transactions", partitions=1, keep_for_ever=True)])
    resource = ConfigResource(
        ConfigResourceType.TOPIC, "transactions", configs={"message.timestamp.type": "CreateTime"}
    )
    admin.alter_configs([resource])

    problems = kafka_log.problems()

    resource.configs = {"message.timestamp.type": "LogAppendTime"}
    admin.alter_configs([resource])
    [problem] = [problem for problem in problems if "`transactions` is not kept by LogAppendTime" in problem.says]
    assert problem.forbids_start


@pytest.fixture
def sasl_bootstrap(kafka) -> str:
    if not isinstance(kafka, Broker):
        pytest.skip(f"{kafka.bootstrap} is not ours: its passwords are not known")
    return kafka.sasl_bootstrap


def test_a_password_opens_the_log(sasl_bootstrap, topic):
    security = KafkaSecurity(protocol="SASL_PLAINTEXT", username=USER, password=PASSWORD)
    log = KafkaLog(sasl_bootstrap, security)
    make(log, topic)

    publish(log, topic, [b"value"])
    reader = log.group_reader(topic, topic)
    join(reader)

    assert poll_values(reader, 1) == [b"value"]
    assert PASSWORD not in repr(security)
    reader.close()
    log.close()


def test_a_wrong_password_is_one_line_that_does_not_show_it(sasl_bootstrap):
    security = KafkaSecurity(protocol="SASL_PLAINTEXT", username=USER, password="wrong-one")

    with pytest.raises(LogError, match="password") as raised:
        KafkaLog(sasl_bootstrap, security, patience_ms=3_000).partitions("transactions")

    assert "wrong-one" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_broker_that_is_not_there_is_one_line():
    with free_port() as port:
        log = KafkaLog(f"127.0.0.1:{port}", patience_ms=300)

        with pytest.raises(LogError, match=f"Kafka at 127.0.0.1:{port}: connecting: no answer in time") as raised:
            log.partitions("transactions")
        assert "\n" not in str(raised.value)
        assert log.problems() == [Problem(says=str(raised.value))]
