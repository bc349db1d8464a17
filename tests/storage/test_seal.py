"""A sealed file is the same bytes for the same rows, and not one bit of it can change unseen."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.seal import check, sealed

ROWS = pa.table({"offset": [1, 2, 3], "word": ["a", None, "." * 64]})
CONTENT = sealed(ROWS, {b"range": b"1-3"}, {"use_dictionary": ["word"]})


def test_what_was_sealed_is_whole() -> None:
    check(CONTENT)

    file = pq.ParquetFile(pa.BufferReader(CONTENT))
    assert file.read().to_pylist() == ROWS.to_pylist()
    assert file.metadata.metadata[b"range"] == b"1-3"
    assert file.num_row_groups == 1


def test_the_same_rows_give_the_same_bytes() -> None:
    assert sealed(ROWS, {b"range": b"1-3"}, {"use_dictionary": ["word"]}) == CONTENT
    assert sealed(ROWS, {b"range": b"1-4"}, {"use_dictionary": ["word"]}) != CONTENT


@pytest.mark.parametrize("place", range(0, len(CONTENT), 7))
def test_a_changed_bit_is_seen_wherever_it_lies(place: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[place] ^= 1

    with pytest.raises((ValueError, OSError, KeyError, pa.ArrowException)):
        check(bytes(damaged))
