"""Topic `labels` as files of the archive, beside generated labels: `labels/date=YYYY-MM-DD/part-p...`, in order of arrival."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from fraud.batch import Polled
from fraud.columns import Ints
from fraud.schema import Label
from storage import labels
from storage.archive_files import ArchiveFiles
from storage.history import MOMENT
from storage.parts import Folder

SCHEMA_VERSION: Final = 1
_PLACE: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("received_at", MOMENT, nullable=False),
    ]
)
SCHEMA: Final = pa.schema([*_PLACE, *labels.SCHEMA])
"""Where a label lies in the log, then the label; `received_at` is the partition's running maximum."""
_LAYOUT: Final[dict[str, Any]] = {
    "use_dictionary": ["partition", "source", "label", "fraud_type", "user_id"],
    "column_encoding": {
        "offset": "DELTA_BINARY_PACKED",
        "received_at": "DELTA_BINARY_PACKED",
        "reported_at": "DELTA_BINARY_PACKED",
        "transaction_id": "DELTA_LENGTH_BYTE_ARRAY",
    },
}


def label_files(root: str | Path, log_id: str) -> ArchiveFiles:
    """The data set under a data folder, for its writer."""
    return ArchiveFiles(
        folder=Folder.at(root) / labels.FOLDER,
        log_id=log_id,
        schema=SCHEMA,
        schema_version=SCHEMA_VERSION,
        layout=_LAYOUT,
    )


def rows_of(polled: Polled, rows: Ints, found: Sequence[Label]) -> pa.Table:
    """Labels as rows of SCHEMA; `rows` are their places in the poll."""
    place = [
        pa.array(polled.partition[rows], pa.int32()),
        pa.array(polled.offset[rows]),
        pa.array(polled.received_at[rows]).cast(MOMENT),
    ]
    return pa.table([*place, *labels.table_of(found).itercolumns()], schema=SCHEMA)
