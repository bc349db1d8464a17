"""Moments of a foreign file, however it writes them: as microseconds since the epoch with the offset of the local clock."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fraud.columns import Bools, Ints
from storage.mapping import TimeFormat

# Date and clock, then Z or an offset: what tells "2018-04-01T12:00:00-04:00" from "2018-04-01".
_WITH_OFFSET = r"\d[T ]?\d{2}:?\d{2}.*(?P<offset>[Zz]|[+-]\d{2}(?::?\d{2})?)$"
_PER_SECOND = {"epoch_s": 1, "epoch_ms": 1_000}
_NOT_A_TIME = np.iinfo(np.int64).min
_CENTURIES = 32_503_680_000  # seconds to the year 3000: beyond lies no payment


@dataclass(frozen=True, slots=True)
class Moments:
    """n moments; where `present` is False the others are meaningless."""

    micros: Ints
    """Since the epoch, UTC."""
    offset: Ints
    """Minutes east of UTC on the local clock."""
    present: Bools


def moments_of(column: pa.ChunkedArray, time: TimeFormat) -> Moments:
    """Read a column of timestamps, dates, numbers or texts. What cannot be read is absent.

    In the hour that a clock shows twice the earlier one is meant; an hour that it skips is shifted forward. Raises
    ValueError where the format does not say how to read the column at all.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    column = column.cast(kind)
    if pa.types.is_timestamp(kind):
        micros = _micros(column.cast(pa.timestamp("us", kind.tz), safe=False))
        return _at_instants(micros, time.zone or kind.tz) if kind.tz else _on_local_clock(micros, time.zone)
    if pa.types.is_date(kind):
        return _on_local_clock(_micros(column.cast(pa.timestamp("us"))), time.zone)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _epochs(column.cast(pa.float64()).to_numpy(), time)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts(column.cast(pa.string()), time)
    raise ValueError(f"a column of {kind} holds no times")


def _epochs(numbers: npt.NDArray[np.float64], time: TimeFormat) -> Moments:
    if time.format not in _PER_SECOND:
        raise ValueError("numbers need time.format epoch_s or epoch_ms")
    seconds = numbers / _PER_SECOND[time.format]
    is_time = np.isfinite(seconds) & (np.abs(seconds) < _CENTURIES)
    micros = np.full(len(seconds), _NOT_A_TIME, np.int64)
    micros[is_time] = np.rint(seconds[is_time] * 1e6).astype(np.int64)
    return _at_instants(micros, time.zone)


def _texts(column: pa.ChunkedArray, time: TimeFormat) -> Moments:
    texts = column.to_pandas()
    if time.format in _PER_SECOND:
        return _epochs(pd.to_numeric(texts, errors="coerce").to_numpy(np.float64, na_value=np.nan), time)
    pattern = "ISO8601" if time.format == "auto" else time.format
    with_offset = pc.match_substring_regex(column, _WITH_OFFSET).fill_null(False).to_numpy()
    if time.format != "auto":
        with_offset = np.full(len(texts), "%z" in time.format)
    moments = Moments(
        np.full(len(texts), _NOT_A_TIME, np.int64), np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    )
    if with_offset.any():
        _fill(moments, with_offset, _with_offsets(column.filter(pa.array(with_offset)), pattern))
    if not with_offset.all():
        local = _parsed(texts[~with_offset], pattern, utc=False)
        _fill(moments, ~with_offset, _on_local_clock(local, time.zone))
    return moments


def _with_offsets(column: pa.ChunkedArray, pattern: str) -> Moments:
    micros = _parsed(column.to_pandas(), pattern, utc=True)
    offsets = pc.struct_field(pc.extract_regex(column, _WITH_OFFSET), "offset").to_pandas()
    minutes = {text: _minutes(text) for text in offsets.dropna().unique()}
    return Moments(micros, offsets.map(minutes).fillna(0).to_numpy(np.int64), micros != _NOT_A_TIME)


def _parsed(texts: "pd.Series[Any]", pattern: str, *, utc: bool) -> Ints:
    parsed = pd.to_datetime(texts, format=pattern, utc=utc, errors="coerce")
    return parsed.to_numpy("datetime64[us]").astype(np.int64)


def _minutes(offset: str) -> int:
    if offset in "Zz":
        return 0
    minutes = 60 * int(offset[1:3]) + int(offset[3:].removeprefix(":") or 0)
    return -minutes if offset[0] == "-" else minutes


def _fill(moments: Moments, where: Bools, found: Moments) -> None:
    moments.micros[where] = found.micros
    moments.offset[where] = found.offset
    moments.present[where] = found.present


def _at_instants(micros: Ints, zone: str | None) -> Moments:
    instants = pd.DatetimeIndex(micros.view("datetime64[us]"), tz="UTC")
    local = _stamps(instants.tz_convert(zone or "UTC").tz_localize(None))
    return _moments(micros, local)


def _on_local_clock(local: Ints, zone: str | None) -> Moments:
    clock = pd.DatetimeIndex(local.view("datetime64[us]"))
    instants = clock.tz_localize(zone or "UTC", ambiguous=np.ones(len(clock), np.bool_), nonexistent="shift_forward")
    return _at_instants(_stamps(instants.tz_convert("UTC").tz_localize(None)), zone)


def _moments(micros: Ints, local: Ints) -> Moments:
    present = micros != _NOT_A_TIME
    minutes = np.where(present, (local - micros) // 60_000_000, 0)
    return Moments(micros, minutes, present)


def _stamps(index: pd.DatetimeIndex) -> Ints:
    return index.to_numpy("datetime64[us]").astype(np.int64)


def _micros(column: pa.ChunkedArray) -> Ints:
    return pc.coalesce(column.cast(pa.int64()), _NOT_A_TIME).to_numpy().copy()  # type: ignore[no-any-return]
