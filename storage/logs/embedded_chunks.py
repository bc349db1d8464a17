"""Chunks: consecutive records of one partition in one row, so that a record costs a microsecond and not ten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec
import numpy as np

from fraud.columns import Ints

Texts = list[bytes | None]

FROM_OFFSET = (
    "SELECT first_offset, next_offset, offsets, times, payloads FROM chunk "
    "WHERE topic = ? AND partition = ? AND next_offset > ? ORDER BY next_offset"
)
SOME_FROM_OFFSET_WITH_KEYS = (
    "SELECT first_offset, next_offset, offsets, times, payloads, keys FROM chunk "
    "WHERE topic = ? AND partition = ? AND next_offset > ? ORDER BY next_offset LIMIT 50"
)
FIRST_AT = (
    "SELECT first_offset, next_offset, offsets, times, payloads FROM chunk "
    "WHERE topic = ? AND partition = ? AND latest_at >= ? ORDER BY latest_at, next_offset LIMIT 1"
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Texts).decode


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of one partition, in order."""

    offsets: Ints
    times: Ints
    """Append times, milliseconds since the epoch."""
    payloads: Texts

    def __len__(self) -> int:
        """Records."""
        return len(self.payloads)

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Decode a row of these queries."""
        first, end, offsets, times, payloads = row
        decoded = _decode(payloads)
        appended = np.frombuffer(times, np.int64)
        return cls(
            np.arange(first, end, dtype=np.int64) if offsets is None else np.frombuffer(offsets, np.int64),
            appended if len(appended) == len(decoded) else np.repeat(appended, len(decoded)),
            decoded,
        )

    def since(self, offset: int) -> "Piece":
        """The part from an offset on."""
        return self.part(int(np.searchsorted(self.offsets, offset)), len(self))

    def part(self, start: int, stop: int) -> "Piece":
        """Records by position."""
        if start == 0 and stop >= len(self):
            return self
        return Piece(self.offsets[start:stop], self.times[start:stop], self.payloads[start:stop])


def decode_keys(keys: bytes) -> Texts:
    """Keys of a whole chunk."""
    return _decode(keys)


def chunk_row(
    topic: int, partition: int, offsets: Ints, times: Ints, latest_at: int, payloads: Texts, keys: Texts
) -> list[Any]:
    """Encode records as values of a row of table `chunk`, but its id. What follows from the rest is not stored."""
    first, end = int(offsets[0]), int(offsets[-1]) + 1
    is_dense = end - first == len(offsets)
    is_one_moment = bool((times == times[0]).all())
    return [
        topic,
        partition,
        first,
        end,
        latest_at,
        None if is_dense else offsets.tobytes(),
        times[:1].tobytes() if is_one_moment else times.tobytes(),
        _encode(payloads),
        _encode(keys),
    ]
