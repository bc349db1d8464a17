"""The decisions data set: what was decided about every payment, with the payment itself and its features, as rows."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fraud.columns import Bools, ColumnKind, Ints
from fraud.decision import Mode, Severity
from fraud.engine import Decisions
from fraud.features import FEATURES
from storage import history
from storage.archive import DECISIONS
from storage.archive_files import ArchiveFiles
from storage.history import MOMENT
from storage.parts import Folder

SCHEMA_VERSION: Final = 1
DECIDED, DUPLICATE, BEFORE_POLICY = STATUSES = ("decided", "duplicate", "before_policy")
COMPUTED: Final = tuple(name for name in FEATURES if name not in history.SCHEMA.names)
"""Features that are no fields of the payment."""
_IDS: Final = pa.list_(pa.string())
SCHEMA: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("received_at", MOMENT, nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("policy", pa.string()),
        pa.field("severity", pa.string()),
        pa.field("flagged", pa.bool_(), nullable=False),
        pa.field("score", pa.int32()),
        pa.field("hits", _IDS, nullable=False),
        pa.field("shadow_hits", _IDS, nullable=False),
        pa.field("history_incomplete", pa.bool_(), nullable=False),
        *history.SCHEMA,
        *(
            pa.field(name, pa.bool_() if FEATURES[name].kind is ColumnKind.BOOLEAN else pa.float64())
            for name in COMPUTED
        ),
    ]
)
"""`received_at` is the partition's running maximum; `score` is in micro-units; hits are rule ids."""
_ENCODINGS: Final = history.ENCODINGS | {"offset": "DELTA_BINARY_PACKED", "received_at": "DELTA_BINARY_PACKED"}
_LISTS: Final = ("hits", "shadow_hits")
_LAYOUT: Final[dict[str, Any]] = {
    "use_dictionary": [
        f"{name}.list.element" if name in _LISTS else name
        for name in SCHEMA.names
        if name not in _ENCODINGS and SCHEMA.field(name).type != pa.bool_()
    ],
    "column_encoding": _ENCODINGS,
}


def decision_files(root: str | Path, log_id: str) -> ArchiveFiles:
    """The data set under a data folder, for its writer."""
    return ArchiveFiles(
        folder=Folder.at(root) / DECISIONS,
        log_id=log_id,
        schema=SCHEMA,
        schema_version=SCHEMA_VERSION,
        layout=_LAYOUT,
    )


def rows_of(decisions: Decisions, kept: Bools) -> pa.Table:
    """Those payments of a batch that are `kept` (no dead letters) as rows of SCHEMA, in their order."""
    rows = np.flatnonzero(kept)
    batch, decided = decisions.batch, decisions.decided[rows]
    columns = {
        "partition": pa.array(batch.partition[rows].astype(np.int32)),
        "offset": pa.array(batch.offset[rows]),
        "received_at": pa.array(batch.received_at[rows]).cast(MOMENT),
        **_judgement(decisions, rows, decided),
        **_payments(decisions, rows),
        **_features(decisions, rows),
    }
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def picked(rows: pa.Table, places: Ints) -> pa.Table:
    """Some rows of a table, in order. A large share is not copied; a small one is, so that it does not keep the rest alive."""
    if len(places) and places[-1] - places[0] + 1 == len(places) and 4 * len(places) >= len(rows):
        return rows.slice(int(places[0]), len(places))
    return rows.take(pa.array(places))


def _judgement(decisions: Decisions, rows: Ints, decided: Bools) -> dict[str, pa.Array]:
    duplicates = decisions.duplicates[rows]
    severity = np.where(decided, decisions.severity[rows], 0)
    scores = np.zeros(len(rows), np.int64) if decisions.scores is None else decisions.scores[rows]
    without_score = ~decided if decisions.scores is not None else np.ones(len(rows), np.bool_)
    policy = None if decisions.policy is None else decisions.policy.hash
    return {
        "status": _chosen(STATUSES, np.where(duplicates, 1, np.where(decided, 0, 2))),
        "policy": _chosen((None, policy), decided.astype(np.int64)),
        "severity": _chosen((None, *(one.word for one in Severity)), severity),
        "flagged": pa.array(severity > 0),
        "score": pa.array(scores.astype(np.int32), mask=without_score),
        "hits": _rule_ids(decisions, rows, decided, Mode.LIVE),
        "shadow_hits": _rule_ids(decisions, rows, decided, Mode.SHADOW),
        "history_incomplete": pa.array(decisions.incomplete[rows] & ~duplicates),
    }


def _payments(decisions: Decisions, rows: Ints) -> dict[str, pa.Array]:
    table = history.table_of([decisions.batch.rows.transaction(row) for row in rows.tolist()])
    return dict(zip(table.column_names, table.itercolumns(), strict=True))


def _features(decisions: Decisions, rows: Ints) -> dict[str, pa.Array]:
    """A duplicate has none: it is not looked at again."""
    anew = ~decisions.duplicates[rows]
    columns: dict[str, pa.Array] = {}
    for name in COMPUTED:
        column = decisions.features.number(name)
        values = column.values[rows]
        if SCHEMA.field(name).type == pa.bool_():
            values = values != 0
        columns[name] = pa.array(values, mask=~(column.present[rows] & anew))
    return columns


def _rule_ids(decisions: Decisions, rows: Ints, decided: Bools, mode: Mode) -> pa.Array:
    """For each payment the ids of the rules of one mode that fired, in the order of the rules."""
    fired = [(rule.id, hits.mask[rows] & decided) for rule, hits in decisions.hits if rule.mode is mode]
    masks = np.stack([mask for _, mask in fired], axis=1) if fired else np.zeros((len(rows), 0), np.bool_)
    ends = np.concatenate([[0], np.cumsum(masks.sum(axis=1))]).astype(np.int32)
    ids = pa.array([rule for rule, _ in fired], pa.string()).take(pa.array(np.nonzero(masks)[1]))
    return pa.ListArray.from_arrays(pa.array(ends), ids)


def _chosen(words: tuple[str | None, ...], codes: Ints) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(codes))
