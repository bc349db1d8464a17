"""From minute counters and flags per bucket to the figures of a page. Pure; every series has one value per bucket.

*Arrivals* are minute counters summed per bucket: one row per bucket that saw anything, columns `start`, the plain counters,
`dead` and `spend` as dicts, and `newest`, the last minute with a payment in it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from dashboard.periods import Period, floor
from fraud.currencies import NO_CURRENCY, to_major

COUNTERS = (
    "seen",
    "decided",
    "flagged",
    "duplicates",
    "before_policy",
    "history_incomplete",
    "id_reused",
    "no_limit",
    "unknown_fields",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One counter: its total over the period, and its complete buckets."""

    total: float
    complete: tuple[float, ...]
    """Oldest first; the bucket that still grows is not among them."""

    @property
    def delta(self) -> float | None:
        """The last complete bucket against the one before; None where there are not two."""
        return self.complete[-1] - self.complete[-2] if len(self.complete) > 1 else None


def arrivals(minutes: pd.DataFrame, bucket: timedelta) -> pd.DataFrame:
    """Sum minute counters per bucket; where two groups decide the same log, the one that got further counts."""
    furthest = minutes.sort_values("up_to_offset", kind="stable")
    rows = furthest.drop_duplicates(["log_id", "partition", "minute"], keep="last")
    starts = pd.Series([floor(minute.to_pydatetime(), bucket) for minute in rows["minute"]], index=rows.index)
    return pd.DataFrame([_bucket(start, part) for start, part in rows.groupby(starts)], columns=_COLUMNS)


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Arrivals of neighbouring spans as one; a bucket that a cut went through is whole again."""
    rows: dict[datetime, dict[str, Any]] = {}
    for found in (found for part in parts for found in part.to_dict("records")):
        row = {str(name): value for name, value in found.items()}
        known = rows.get(row["start"])
        rows[row["start"]] = row if known is None else _sum(known, row)
    return pd.DataFrame([rows[start] for start in sorted(rows)], columns=_COLUMNS)


def per_bucket(arrived: pd.DataFrame, period: Period, name: str) -> "pd.Series[float]":
    """One plain counter; index the bucket's start, zero where nothing arrived."""
    return _series(arrived["start"], arrived[name], period)


def spend(arrived: pd.DataFrame, period: Period, currency: str) -> "pd.Series[float]":
    """Approved spend per bucket in major units."""
    return _series(arrived["start"], [to_major(row.get(currency, 0), currency) for row in arrived["spend"]], period)


def flagged(buckets: pd.DataFrame, period: Period) -> "pd.Series[float]":
    """Flags that the filter finds, per bucket."""
    return _series(buckets["bucket"], buckets["flags"], period)


def flagged_amount(buckets: pd.DataFrame, period: Period, currency: str) -> "pd.Series[float]":
    """What the flags of one currency are worth per bucket, in major units."""
    own = of_currency(buckets, currency)
    return _series(own["bucket"], own["amount"], period)


def figure(series: "pd.Series[float]", complete: int) -> Figure:
    """Total, and the leading buckets that are complete."""
    return Figure(total=float(series.sum()), complete=tuple(float(value) for value in series.iloc[:complete]))


def per_10_000(part: Figure, whole: Figure) -> Figure | None:
    """The share of one counter in another, over the period and per bucket; None where the other is empty."""
    if not whole.total:
        return None
    pairs = zip(part.complete, whole.complete, strict=True)
    return Figure(
        total=10_000 * part.total / whole.total,
        complete=tuple(10_000 * one / other if other else 0.0 for one, other in pairs),
    )


def of_currency(buckets: pd.DataFrame, currency: str) -> pd.DataFrame:
    """The rows of one currency."""
    return buckets[buckets["currency"].fillna(NO_CURRENCY) == currency]


def currencies(buckets: pd.DataFrame, arrived: pd.DataFrame) -> list[str]:
    """Currencies of the period: the most flagged first, then those spent most of the time, then by code.

    Not by how much was spent: one payment in won is a larger number than many in euro.
    """
    weights: dict[str, tuple[int, int]] = {}
    for code, part in buckets.groupby(buckets["currency"].fillna(NO_CURRENCY)):
        weights[str(code)] = (int(part["flags"].sum()), 0)
    for code, times in Counter(code for row in arrived["spend"] for code, minor in row.items() if minor).items():
        weights[code] = (weights.get(code, (0, 0))[0], times)
    return sorted(weights, key=lambda code: (-weights[code][0], -weights[code][1], code))


def totals(arrived: pd.DataFrame) -> dict[str, int]:
    """Every plain counter over the period."""
    return {name: int(arrived[name].sum()) for name in COUNTERS}


def dead_by_reason(arrived: pd.DataFrame) -> dict[str, int]:
    """Dead letters by reason, the most frequent first."""
    counts = _counted(arrived["dead"])
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def newest_minute(arrived: pd.DataFrame) -> datetime | None:
    """The last minute in which anything arrived."""
    moments = [moment for moment in arrived["newest"] if moment is not None and not pd.isna(moment)]
    return max(moments) if moments else None


_COLUMNS = ["start", *COUNTERS, "dead", "spend", "newest"]


def _bucket(start: object, part: pd.DataFrame) -> dict[str, Any]:
    arrived = part.loc[part["seen"] > 0, "minute"]
    return {
        "start": start,
        **{name: int(part[name].sum()) for name in COUNTERS},
        "dead": _counted(part["dead"]),
        "spend": _counted(part["spend"]),
        "newest": arrived.max().to_pydatetime() if len(arrived) else None,
    }


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    newest = [row["newest"] for row in (one, other) if not pd.isna(row["newest"])]
    return {
        "start": one["start"],
        **{name: one[name] + other[name] for name in COUNTERS},
        **{name: _counted([one[name], other[name]]) for name in ("dead", "spend")},
        "newest": max(newest, default=None),
    }


def _counted(rows: Iterable[Mapping[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        for name, count in row.items():
            counts[str(name)] = counts.get(str(name), 0) + int(count)
    return counts


def _series(starts: "pd.Series[Any]", values: Iterable[Any], period: Period) -> "pd.Series[float]":
    index = pd.DatetimeIndex(period.starts, tz="UTC").as_unit("us")
    if not len(starts):
        return pd.Series(0.0, index=index)
    at = pd.DatetimeIndex([floor(pd.Timestamp(start).to_pydatetime(), period.bucket) for start in starts]).as_unit("us")
    summed = pd.Series(list(values), index=at, dtype="float64").groupby(level=0).sum()
    return summed.reindex(index, fill_value=0.0)
