"""Payments of an archive file as the batches that the engine once judged."""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from fraud.batch import Batch
from fraud.columns import Ints
from storage.arrow_rows import ArrowRows, batch_of_table
from storage.decisions import DUPLICATE

Stretches = Iterable[tuple[int, int, str]]
"""From row to row (not included), and the default currency there."""


def batches(table: pa.Table, stretches: Callable[[Ints], Stretches], before: int) -> Iterator[Batch]:
    """The payments before an offset, without those that were redelivered, cut by what `stretches` says of append times."""
    kept = pc.and_(pc.less(table["offset"], before), pc.not_equal(table["status"], DUPLICATE))
    rows = table.filter(kept)
    received_at = ArrowRows(rows).micros("received_at")
    if received_at is not None:
        for start, end, currency in stretches(received_at):
            yield batch_of_table(rows.slice(start, end - start), currency)


def last_event_time(table: pa.Table, before: int) -> int | None:
    """Event time of the last payment before an offset, microseconds; the table needs `offset` and `event_time`."""
    times = ArrowRows(table.filter(pc.less(table["offset"], before))).micros("event_time")
    return None if times is None or not len(times) else int(times[-1])
