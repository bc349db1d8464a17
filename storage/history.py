"""Generated history: `historical/year=YYYY/month=MM/part-*.parquet`, each month with its own manifest.

A month is written independently of the others, so months can be made in any order and in several processes. Rows keep their
order of arrival. Readers see whole parts only. Amounts are float64 rounded to the currency's unit; `event_time` is UTC and
`utc_offset` (minutes east) keeps the offset it was written with, because rules look at the local hour.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud.decision import EPOCH
from fraud.errors import UsageError
from fraud.schema import Transaction
from storage.parts import Folder, Part, PartFile, part_name, told

FOLDER = "historical"
MANIFEST = "_manifest.json"
"""Begins with an underscore so that Parquet readers pass over it."""
SCHEMA_VERSION = 1
MOMENT = pa.timestamp("us", tz="UTC")
_MICROSECOND = timedelta(microseconds=1)
_FIRST = [
    pa.field("event_time", MOMENT, nullable=False),
    pa.field("utc_offset", pa.int16(), nullable=False),
    pa.field("transaction_id", pa.string(), nullable=False),
    pa.field("user_id", pa.string(), nullable=False),
    pa.field("amount", pa.float64(), nullable=False),
]
_TYPES = dict.fromkeys(("latitude", "longitude", "available_amount", "original_amount"), pa.float64()) | {
    "account_opened_on": pa.date32()
}
_OPTIONAL = [name for name in Transaction.__struct_fields__ if name not in {field.name for field in _FIRST}]
SCHEMA = pa.schema([*_FIRST, *(pa.field(name, _TYPES.get(name, pa.string())) for name in _OPTIONAL)])
"""Every field of `Transaction`, and `utc_offset`."""
# Rounded prices repeat: dictionaries beat byte-stream-split (2.1 to 5.5 bytes a payment), and for balances plain pages do.
ENCODINGS = {
    "event_time": "DELTA_BINARY_PACKED",
    "transaction_id": "DELTA_LENGTH_BYTE_ARRAY",
    "available_amount": "PLAIN",
}
_LAYOUT: dict[str, Any] = {
    "use_dictionary": [name for name in SCHEMA.names if name not in ENCODINGS],
    "column_encoding": ENCODINGS,
}
_AS_DICTIONARY = [field.name for field in SCHEMA if field.type == pa.string() and field.name != "transaction_id"]
_ROWS_PER_GROUP = 262_144
_ROWS_PER_PART = 16 * _ROWS_PER_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one month holds, and what its bytes must be."""

    schema_version: int
    seed: int | None
    rows: int
    parts: Sequence[Part]


class HistoryWriter:
    """Writes months of transactions under `root`, the folder that holds `historical/` and its sibling `labels/`."""

    def __init__(self, root: str | Path, *, seed: int | None) -> None:
        """`root` is a local path or a pyarrow filesystem URL; `seed` is what the history was generated from.

        Raises UsageError when there are months of another seed: the two would not fit together.
        """
        with told(f"{root} cannot be used"):
            self._folder = Folder.at(root) / FOLDER
            seeds = {manifest.seed for manifest in manifests(root).values()} - {seed}
        if seeds:
            raise UsageError(
                f"{root} holds history of seed {min(map(str, seeds))}, not {seed}: take another folder, or that seed"
            )
        self._seed = seed

    def write_month(
        self,
        year: int,
        month: int,
        transactions: Iterable[Sequence[Transaction]],
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Replace one month, streamed in the order given; the answer is how many rows it has.

        Only a row group is held in memory. Raises UsageError for a payment outside the month (UTC). What was there before
        stays until all parts are whole.
        """
        folder = self._folder / f"year={year:04d}" / f"month={month:02d}"
        tables = _within(_tables(transactions, on_progress), year, month)
        with told(f"{folder.path} cannot be written"):
            return self._publish(folder, self._write(folder, tables))

    def _write(self, folder: Folder, tables: Iterable[pa.Table]) -> list[PartFile]:
        files: list[PartFile] = []
        try:
            for rows in _groups(tables):
                if not files or files[-1].rows >= _ROWS_PER_PART:
                    files.append(PartFile(folder, part_name(len(files)), SCHEMA, **_LAYOUT))
                files[-1].write(rows, _ROWS_PER_GROUP)
        except BaseException:
            for file in files:
                file.discard()
            raise
        return files

    def _publish(self, folder: Folder, files: list[PartFile]) -> int:
        parts = [file.close() for file in files]
        manifest = Manifest(
            schema_version=SCHEMA_VERSION, seed=self._seed, rows=sum(part.rows for part in parts), parts=parts
        )
        folder.make()
        folder.remove(MANIFEST)
        for file in files:
            file.publish()
        for path in folder.parts()[len(files) :]:
            folder.remove(path.rsplit("/", 1)[-1])
        folder.write(MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        return manifest.rows


def table_of(transactions: Sequence[Transaction]) -> pa.Table:
    """Transactions as rows of `SCHEMA`, in their order."""
    times = [transaction.event_time for transaction in transactions]
    columns = {
        "event_time": _moments(times),
        "utc_offset": pa.array([_offset_minutes(time.utcoffset()) for time in times], pa.int16()),
    }
    for field in SCHEMA:
        if field.name not in columns:
            values = list(map(attrgetter(field.name), transactions))
            columns[field.name] = pa.array(values, field.type)
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def read_tables(
    root: str | Path,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """History with since <= event_time < until as tables of at most one row group, in the order it was written.

    Repeated texts come dictionary coded. Raises UsageError when there is no history under `root`.
    """
    folder = Folder.at(root) / FOLDER
    paths = folder.parts()
    if not paths:
        raise UsageError(f"no history under {root}: `fraud history --out {root}` makes some")
    for path in paths:
        if _month_meets(path, since, until):
            yield from _read_part(folder, path, since, until, columns)


def manifests(root: str | Path) -> dict[str, Manifest]:
    """The manifest of every month by folder name (`year=2025/month=03`), in order of time."""
    folder = Folder.at(root) / FOLDER
    names = [month.removeprefix(f"{folder.path}/") for month in folder.holding(MANIFEST)]
    found = {name: (folder / name).read(MANIFEST) for name in names}
    return {name: _manifest(content) for name, content in found.items() if content is not None}


def problems(root: str | Path) -> list[str]:
    """One line for each part that is missing, not listed in its month's manifest, or of other bytes than it says."""
    folder = Folder.at(root) / FOLDER
    lines: list[str] = []
    present = {path.removeprefix(f"{folder.path}/") for path in folder.parts()}
    for name, manifest in manifests(root).items():
        for part in manifest.parts:
            path = f"{name}/{part.name}"
            if path not in present:
                lines.append(f"{path}: the manifest lists it, but it is not there")
            elif folder.sha256(path) != part.sha256:
                lines.append(f"{path}: its bytes are not what the manifest says")
            present.discard(path)
    return lines + [f"{path}: no manifest lists it" for path in sorted(present)]


def _manifest(content: bytes) -> Manifest:
    fields = json.loads(content)
    return Manifest(**{**fields, "parts": [Part(**part) for part in fields["parts"]]})


def _moments(times: Sequence[datetime]) -> pa.Array:
    micros = ((time - EPOCH) // _MICROSECOND for time in times)  # pyarrow's own conversion takes four times as long
    return pa.array(np.fromiter(micros, np.int64, len(times)), pa.int64()).cast(MOMENT)


@functools.lru_cache(maxsize=256)
def _offset_minutes(offset: timedelta | None) -> int:
    return 0 if offset is None else offset // timedelta(minutes=1)


def _tables(
    transactions: Iterable[Sequence[Transaction]], on_progress: Callable[[int], None] | None
) -> Iterator[pa.Table]:
    for chunk in transactions:
        yield table_of(chunk)
        if on_progress is not None:
            on_progress(len(chunk))


def _within(tables: Iterable[pa.Table], year: int, month: int) -> Iterator[pa.Table]:
    start = datetime(year, month, 1, tzinfo=UTC)
    end = _next_month(start)
    for table in tables:
        bounds = pc.min_max(table["event_time"]).as_py()
        if len(table) and not (start <= bounds["min"] and bounds["max"] < end):
            raise UsageError(
                f"a payment of {bounds['min']} to {bounds['max']} does not lie in {year:04d}-{month:02d} (UTC)"
            )
        yield table


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += len(table)
        if rows >= _ROWS_PER_GROUP:
            joined = pa.concat_tables(waiting)
            whole = rows - rows % _ROWS_PER_GROUP
            yield joined.slice(0, whole)
            waiting, rows = [joined.slice(whole)], rows - whole
    if rows:
        yield pa.concat_tables(waiting)


def _month_meets(path: str, since: datetime | None, until: datetime | None) -> bool:
    year, month = path.split("/")[-3:-1]
    start = datetime(int(year.removeprefix("year=")), int(month.removeprefix("month=")), 1, tzinfo=UTC)
    return (since is None or since < _next_month(start)) and (until is None or start < until)


def _next_month(start: datetime) -> datetime:
    return (start + timedelta(days=32)).replace(day=1)


def _read_part(
    folder: Folder, path: str, since: datetime | None, until: datetime | None, columns: Sequence[str] | None
) -> Iterator[pa.Table]:
    wanted = list(SCHEMA.names if columns is None else columns)
    with told(f"{path} cannot be read"), folder.filesystem.open_input_file(path) as source:
        file = pq.ParquetFile(source, read_dictionary=_AS_DICTIONARY)
        for group in range(file.num_row_groups):
            if _group_meets(file.metadata.row_group(group), since, until):
                table = file.read_row_group(group, columns=[*{*wanted, "event_time"}])
                yield _between(table, since, until).select(wanted)


def _group_meets(group: pq.RowGroupMetaData, since: datetime | None, until: datetime | None) -> bool:
    times = group.column(SCHEMA.get_field_index("event_time")).statistics
    return times is None or ((since is None or times.max >= since) and (until is None or times.min < until))


def _between(table: pa.Table, since: datetime | None, until: datetime | None) -> pa.Table:
    times = table["event_time"]
    if since is not None:
        table = table.filter(pc.greater_equal(times, pa.scalar(since, MOMENT)))
        times = table["event_time"]
    return table if until is None else table.filter(pc.less(times, pa.scalar(until, MOMENT)))
