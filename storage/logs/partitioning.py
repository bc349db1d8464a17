"""Which partition a record goes to, equal in every log: murmur2 over the key, as Kafka's own clients do."""

import random
from functools import lru_cache

MULTIPLIER = 0x5BD1E995
SEED = 0x9747B28C
MASK = 0xFFFFFFFF
# Records without a key stay on one partition for a while, so that they travel in full batches (KIP-480).
KEYLESS_RUN = 512


class Partitioner:
    """Chooses partitions for one publisher."""

    def __init__(self) -> None:
        """Start without a partition for records without a key."""
        self._keyless = 0

    def partition(self, key: bytes | None, partitions: int) -> int:
        """The partition of a key; any, the same for a while, without one."""
        if key is not None:
            return partition_of(key, partitions)
        if self._keyless % KEYLESS_RUN == 0:
            self._drawn = random.randrange(1 << 30)  # noqa: S311 - spreads load, keeps no secret
        self._keyless += 1
        return self._drawn % partitions


# A user pays again soon: the last hundred thousand keys cost a lookup.
@lru_cache(maxsize=100_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key, as Kafka's DefaultPartitioner computes it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Hash bytes to 32 bits: Austin Appleby's MurmurHash2 with Kafka's seed."""
    length = len(data)
    body = length & ~3
    hashed = SEED ^ length
    for start in range(0, body, 4):
        word = int.from_bytes(data[start : start + 4], "little") * MULTIPLIER & MASK
        word = (word ^ word >> 24) * MULTIPLIER & MASK
        hashed = hashed * MULTIPLIER & MASK ^ word
    if body < length:
        hashed = (hashed ^ int.from_bytes(data[body:], "little")) * MULTIPLIER & MASK
    hashed = (hashed ^ hashed >> 13) * MULTIPLIER & MASK
    return hashed ^ hashed >> 15
