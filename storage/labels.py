"""Labels: truth that arrives later, appended under the month it was reported in, and resolved as of a moment.

`labels/year=YYYY/month=MM/part-<batch>.parquet` is a sibling of `historical/`; `labels/date=YYYY-MM-DD/part-p...parquet`, by the
day of arrival, is what `storage.archived_labels` keeps of the topic. A label may be in both. Nothing is ever rewritten by a
later label: who asks as of a day gets what was known on that day.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fraud.errors import UsageError
from fraud.schema import Label, LabelSource, LabelValue
from storage.history import MOMENT
from storage.parts import Folder, PartFile, told

FOLDER = "labels"
SCHEMA = pa.schema(
    [
        pa.field("reported_at", MOMENT, nullable=False),
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("event_time", MOMENT, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("fraud_type", pa.string()),
    ]
)
_ROWS_PER_GROUP = 262_144
_RANK_BY_SOURCE = {
    LabelSource.CORRECTION: 0,
    LabelSource.FRAUD_REPORT: 1,
    LabelSource.DISPUTE: 1,
    LabelSource.CUSTOMER: 2,
    LabelSource.VERDICT: 3,
}
_REASONS_OF_FRAUD = (LabelValue.FRAUD, LabelValue.FIRST_PARTY)
"""What a dispute must say to count: one about goods or prices says nothing about who paid."""
_PAYMENT = ["user_id", "transaction_id", "event_time"]
"""An id used again at another event time is another payment."""


def write(root: str | Path, batch: str, labels: Iterable[Label]) -> int:
    """Write one batch of labels, spread over the months they were reported in; the answer is how many there were.

    `batch` names it, for generated history the month of the payments ("2025-03"): the same batch written again replaces
    itself, in every month, and touches no other.
    """
    folder = Folder.at(root) / FOLDER
    name = f"part-{batch}.parquet"
    by_month: defaultdict[tuple[int, int], list[Label]] = defaultdict(list)
    for label in labels:
        reported_at = label.reported_at.astimezone(UTC)
        by_month[reported_at.year, reported_at.month].append(label)
    with told(f"{folder.path} cannot be written"):
        files = [_part(folder, name, month, found) for month, found in sorted(by_month.items())]
        for file in files:
            file.publish()
        for path in folder.parts():
            if path.endswith(f"/{name}") and not _is_archived(path) and _month_of(path) not in by_month:
                folder.remove(path.removeprefix(f"{folder.path}/"))
    return sum(file.rows for file in files)


def load(root: str | Path, as_of: datetime, verdicts: pd.DataFrame | pa.Table | None = None) -> pd.DataFrame:
    """What was known at `as_of` of each payment: one row per labelled payment, with the columns of `SCHEMA`.

    A correction comes first, then a fraud report or a dispute whose reason is fraud (or first-party fraud), then what the
    customer said, then verdicts; within a source the latest `reported_at`. `unsure` never wins; `first_party` stays its own
    value. `verdicts` holds the store's, with the same columns (`source` is taken for granted, `fraud_type` may be missing).
    """
    if as_of.tzinfo is None:
        raise UsageError("`as_of` needs a UTC offset: what was known depends on it")
    folder = Folder.at(root) / FOLDER
    moment = as_of.astimezone(UTC)
    tables = [_read(folder, path) for path in folder.parts() if _may_hold(path, moment)]
    if verdicts is not None and len(verdicts):
        tables.append(_verdicts(verdicts))
    known = pa.concat_tables(tables or [SCHEMA.empty_table()]).to_pandas()
    return _resolved(known[known["reported_at"] <= moment])


def read_tables(root: str | Path) -> Iterator[pa.Table]:
    """Every label as it was reported, a table for each part; none where nothing was ever reported.

    One that was generated, sent and archived is told as often as it is kept: `load` counts it once.
    """
    folder = Folder.at(root) / FOLDER
    for path in folder.parts():
        yield _read(folder, path)


def table_of(labels: Iterable[Label]) -> pa.Table:
    """Labels as rows of `SCHEMA`, in their order."""
    rows = list(labels)
    columns = [pa.array(list(map(attrgetter(field.name), rows)), field.type) for field in SCHEMA]
    return pa.table(columns, schema=SCHEMA)


def _resolved(known: pd.DataFrame) -> pd.DataFrame:
    disputed_otherwise = (known["source"] == LabelSource.DISPUTE) & ~known["label"].isin(_REASONS_OF_FRAUD)
    said = known[(known["label"] != LabelValue.UNSURE) & ~disputed_otherwise]
    ranked = said.assign(rank=said["source"].map(_RANK_BY_SOURCE))
    # The label itself breaks the last tie, so the answer never depends on the order of files: fraud before first_party.
    ranked = ranked.sort_values(["rank", "reported_at", "label"], ascending=[True, False, True], kind="stable")
    first = ranked.drop_duplicates(_PAYMENT).drop(columns="rank")
    return first.sort_values([*_PAYMENT]).reset_index(drop=True)


def _part(folder: Folder, name: str, month: tuple[int, int], labels: list[Label]) -> PartFile:
    ordered = sorted(labels, key=attrgetter("reported_at", "user_id", "transaction_id", "source"))
    layout: dict[str, Any] = {
        "use_dictionary": ["source", "label", "fraud_type", "user_id"],
        "column_encoding": {"reported_at": "DELTA_BINARY_PACKED", "transaction_id": "DELTA_LENGTH_BYTE_ARRAY"},
    }
    file = PartFile(folder / f"year={month[0]:04d}" / f"month={month[1]:02d}", name, SCHEMA, **layout)
    file.write(table_of(ordered), _ROWS_PER_GROUP)
    file.close()
    return file


def _may_hold(path: str, moment: datetime) -> bool:
    """Whether a part can hold what was known at a moment. A replayed label arrives years after it was reported."""
    return _is_archived(path) or _month_of(path) <= (moment.year, moment.month)


def _is_archived(path: str) -> bool:
    return path.split("/")[-2].startswith("date=")


def _month_of(path: str) -> tuple[int, int]:
    year, month = path.split("/")[-3:-1]
    return int(year.removeprefix("year=")), int(month.removeprefix("month="))


def _read(folder: Folder, path: str) -> pa.Table:
    with told(f"{path} cannot be read"), folder.filesystem.open_input_file(path) as source:
        return pq.ParquetFile(source).read(columns=SCHEMA.names)


def _verdicts(verdicts: pd.DataFrame | pa.Table) -> pa.Table:
    frame = verdicts if isinstance(verdicts, pd.DataFrame) else verdicts.to_pandas()
    frame = frame.assign(source=str(LabelSource.VERDICT))
    return pa.Table.from_pandas(frame.reindex(columns=SCHEMA.names), schema=SCHEMA, preserve_index=False)
