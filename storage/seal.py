"""A Parquet file that carries the hash of its own bytes, so that one changed bit is found wherever it lies.

Parquet's checksums cover pages alone. The hash is taken while its place in the footer holds dots, and put there afterwards.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

KEY: Final = b"fraudstream.sha256"
_DOTS: Final = b"." * 64


def sealed(rows: pa.Table, metadata: Mapping[bytes, bytes], layout: Mapping[str, Any]) -> bytes:
    """A file of one row group: the same rows in the same chunks give the same bytes. `layout` is for `ParquetWriter`."""
    schema = rows.schema.with_metadata({**metadata, KEY: _DOTS})
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, schema, compression="zstd", compression_level=3, write_page_index=True, write_page_checksum=True, **layout
    ) as writer:
        writer.write_table(rows.replace_schema_metadata(schema.metadata), row_group_size=max(1, len(rows)))
    content: bytes = sink.getvalue().to_pybytes()
    return _with(content, hashlib.sha256(content).hexdigest().encode())


def check(content: bytes) -> None:
    """Raises ValueError when these are not the bytes that were sealed."""
    digest = pq.read_metadata(pa.BufferReader(content)).metadata[KEY]
    if hashlib.sha256(_with(content, _DOTS, digest)).hexdigest().encode() != digest:
        raise ValueError("its bytes are not those that were written")


def _with(content: bytes, seal: bytes, instead_of: bytes = _DOTS) -> bytes:
    place = content.rindex(instead_of)
    return content[:place] + seal + content[place + len(instead_of) :]
