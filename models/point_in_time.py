"""A training set from Parquet history: every payment with the features it had when it was made, and what is known of it by now.

The features come from the code that serves the stream: the rows go through `Windows` and `Features` in their order of arrival.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xxhash

from fraud.batch import Batch, Mark
from fraud.columns import Bools
from fraud.decision import micros, moment
from fraud.errors import UsageError
from fraud.features import MODEL_FEATURES, Features
from fraud.schema import LabelValue
from fraud.window_columns import DECIDED, STATUS
from fraud.windows import NO_MOVING, Windows, new_outputs
from models.scorer import matrix_of
from models.training_set import TrainingSet
from storage import labels
from storage.arrow_rows import ArrowRows, batch_of_table
from storage.history import manifests, read_tables

PAYMENT = ["user", "transaction", "event_time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """From where history is looked at."""

    as_of: datetime
    """Nothing made or reported later is known."""
    maturity: timedelta = timedelta(days=60)
    """After this long, silence means legitimate. Younger payments are open: neither positive nor negative. The reported ones
    among them are left out too, because without their unreported neighbours every second one would be fraud."""
    warm_up: timedelta = timedelta(days=30)
    """At the beginning of the history every user is new; these payments only build memory. A quarter of the history at most."""
    default_currency: str = "EUR"
    moving: Bools = field(default_factory=lambda: NO_MOVING)
    """bool, shape (10000,): merchant categories whose terminals move."""

    def described(self) -> dict[str, str | int]:
        """For the model card."""
        return {
            "as_of": moment(micros(self.as_of)).isoformat(),
            "maturity_days": self.maturity.days,
            "warm_up_days": self.warm_up.days,
            "default_currency": self.default_currency,
        }


def end_of_history(data_dir: str | Path) -> datetime:
    """The latest event time. Raises UsageError when there is no history."""
    return _bounds(data_dir)[1]


def count_history(data_dir: str | Path) -> int:
    """Payments in the history, for a progress bar."""
    return sum(manifest.rows for manifest in manifests(data_dir).values())


def load(data_dir: str | Path, sight: Sight, on_progress: Callable[[int], None] | None = None) -> TrainingSet:
    """All mature attempts, in order of arrival. Raises UsageError when there is no history or no mature payment in it.

    First-party fraud is neither fraud nor legitimate, so it is left out. So are redelivered payments, refunds and reversals.
    """
    first, last = _bounds(data_dir)
    mature_until = sight.as_of - sight.maturity
    since = first + min(sight.warm_up, (min(mature_until, last) - first) / 4)
    if mature_until <= first:
        raise UsageError(
            f"no mature payment as of {sight.as_of:%Y-%m-%d}: the history begins on {first:%Y-%m-%d} and a payment matures "
            f"in {sight.maturity.days} days; bring more history, or a shorter --maturity"
        )
    keys, matrices = [], []
    for batch, features in _featured(data_dir, sight, on_progress):
        kept = _kept(batch, features, since, mature_until)
        if kept.any():
            keys.append(_keys(batch, kept))
            matrices.append(matrix_of(features, MODEL_FEATURES)[kept])
    if not keys:
        raise UsageError(
            f"no payment to learn from between {since:%Y-%m-%d} and {mature_until:%Y-%m-%d}: bring more history"
        )
    return _labelled(pd.concat(keys, ignore_index=True), np.concatenate(matrices), data_dir, sight.as_of)


def _bounds(data_dir: str | Path) -> tuple[datetime, datetime]:
    """Earliest and latest event time."""
    columns = (ArrowRows(table).micros("event_time") for table in read_tables(data_dir, columns=["event_time"]))
    extremes = [(int(times.min()), int(times.max())) for times in columns if times is not None and len(times)]
    if not extremes:
        raise UsageError(f"the history under {data_dir} holds no payment: `fraud history --out {data_dir}` makes some")
    return moment(min(first for first, _ in extremes)), moment(max(last for _, last in extremes))


def _featured(
    data_dir: str | Path, sight: Sight, on_progress: Callable[[int], None] | None
) -> Iterator[tuple[Batch, Features]]:
    """Every batch with its features; a file without partitions is one partition."""
    windows, offset, received_at = Windows(keep_evicted=False), 0, 0
    for table in read_tables(data_dir, until=sight.as_of):
        if not len(table):
            continue
        batch = batch_of_table(table, sight.default_currency, first_offset=offset, not_before=received_at)
        outputs = new_outputs(len(batch))
        windows.advance(batch, np.arange(len(batch)), outputs, np.empty(len(batch), np.int64), sight.moving)
        yield batch, Features(batch, outputs)
        offset, received_at = offset + len(batch), int(batch.received_at[-1])
        if on_progress is not None:
            on_progress(len(batch))


def _kept(batch: Batch, features: Features, since: datetime, until: datetime) -> Bools:
    is_in_time = (batch.event_time >= micros(since)) & (batch.event_time < micros(until))
    kept: Bools = is_in_time & batch.has(Mark.ATTEMPT) & (features.said(STATUS) == DECIDED)
    return kept


def _keys(batch: Batch, kept: Bools) -> pd.DataFrame:
    return pd.DataFrame(
        {"user": batch.user[kept], "transaction": batch.transaction[kept], "event_time": batch.event_time[kept]}
    )


def _labelled(
    payments: pd.DataFrame, matrix: npt.NDArray[np.float64], data_dir: str | Path, as_of: datetime
) -> TrainingSet:
    label = payments.merge(_known(data_dir, as_of), on=PAYMENT, how="left")["label"]
    is_party = label.eq(LabelValue.FIRST_PARTY).to_numpy()
    data = TrainingSet(
        features=MODEL_FEATURES,
        matrix=matrix,
        labels=label.eq(LabelValue.FRAUD).to_numpy().astype(np.int8),
        times=payments["event_time"].to_numpy(),
        users=payments["user"].to_numpy(),
    )
    return data.where(~is_party)


def _known(data_dir: str | Path, as_of: datetime) -> pd.DataFrame:
    """Resolved labels, keyed as batches are."""
    known = labels.load(data_dir, as_of)
    return pd.DataFrame(
        {
            "user": _hashes(known["user_id"]),
            "transaction": _hashes(known["transaction_id"]),
            "event_time": known["event_time"].astype("datetime64[us, UTC]").astype("int64"),
            "label": known["label"],
        }
    )


def _hashes(words: pd.Series) -> npt.NDArray[np.uint64]:
    return np.fromiter((xxhash.xxh3_64_intdigest(word.encode()) for word in words), np.uint64, len(words))
