"""Which partition a record goes to."""

from hypothesis import example, given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as murmur2_of_the_client

from storage.logs.partitioning import KEYLESS_RUN, Partitioner, murmur2, partition_of


@given(st.binary(max_size=40))
@example(b"")
@example(b"\xff" * 7)
def test_the_hash_is_the_one_of_kafkas_client(key):
    assert murmur2(key) == murmur2_of_the_client(key)


@given(st.binary(max_size=20), st.integers(1, 1_000))
def test_a_key_has_one_partition_of_those_there_are(key, partitions):
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == Partitioner().partition(key, partitions)


def test_records_without_a_key_travel_together_and_move_on():
    partitioner = Partitioner()

    drawn = [partitioner.partition(None, 1_000_003) for _record in range(2 * KEYLESS_RUN)]

    assert len(set(drawn[:KEYLESS_RUN])) == 1
    assert len(set(drawn)) == 2
