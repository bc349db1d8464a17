"""Stored minute counters held against those that the log gives, for minutes that lie wholly in what was decided again."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from consumer.asked_ranges import Asked, Gap, Range
from consumer.comparing import Comparison
from consumer.deciding import Answer
from consumer.minutes import MINUTE
from consumer.verification import Verification
from fraud.decision import micros
from storage.flags.flag_store import FlagStore, Minute

AT_ONCE = timedelta(days=1)
Key = tuple[int, int]
"""Partition, and start of the minute in microseconds."""


@dataclass(slots=True, kw_only=True)
class MinuteCheck:
    """Keeps the recomputed minutes, one small row each, and reads the stored ones a day at a time."""

    store: FlagStore
    log_id: str
    group: str
    comparison: Comparison = field(default_factory=lambda: Comparison(what="minute counters"))
    _expected: dict[Key, Minute] = field(default_factory=dict)

    def begin(self, wanted: Range) -> None:
        """Nothing is kept by partition."""

    def skip(self, gap: Gap) -> None:
        """Gaps are looked at in the end."""

    def take(self, answer: Answer) -> None:
        """A later value of a minute replaces an earlier one."""
        for minute in answer.minutes:
            self._expected[minute.partition, micros(minute.minute)] = minute

    def finish(self, found: Verification, _asked: Asked) -> None:
        """Compare. Raises StoreError."""
        gaps = found.gaps
        cut = {key for gap in gaps for key in _touched(gap)}
        ends = {wanted.partition: wanted for wanted in found.ranges}
        newest = dict(sorted(self._expected))
        for row in self._stored():
            key = row["partition"], micros(row["minute"].to_pydatetime())
            expected = self._expected.pop(key, None)
            wanted = ends.get(row["partition"])
            if key in cut or wanted is None:
                continue
            is_last = key[1] >= newest.get(key[0], 0)  # it may go on behind the range
            if expected is not None and (not is_last or row["up_to_offset"] < wanted.end):
                self.comparison.hold(_label(expected.partition, expected.minute), asdict(expected), row)
            elif expected is None and wanted.start <= row["up_to_offset"] < wanted.end and not _is_in(row, gaps):
                self.comparison.count("extra", _label(row["partition"], row["minute"]))
        for key, minute in self._expected.items():
            if key not in cut:
                self.comparison.count("missing", _label(minute.partition, minute.minute))

    def _stored(self) -> Iterator[dict[str, Any]]:
        """Rows of this log and group, from the first recomputed minute to the last."""
        if not self._expected:
            return
        moments = [minute.minute for minute in self._expected.values()]
        start, last = min(moments), max(moments)
        while start <= last:
            end = min(start + AT_ONCE, last + timedelta(minutes=1))
            for row in self.store.minutes(start, end).to_dict("records"):
                if (row["log_id"], row["group"]) == (self.log_id, self.group):
                    yield {str(name): value for name, value in row.items()}
            start = end


def _touched(gap: Gap) -> Iterator[Key]:
    """The minutes that a gap cuts into: its first and its last; none between them is recomputed."""
    for moment in gap.minutes or ():
        yield gap.partition, moment // MINUTE * MINUTE


def _is_in(row: dict[str, Any], gaps: list[Gap]) -> bool:
    return any(gap.partition == row["partition"] and gap.start <= row["up_to_offset"] < gap.end for gap in gaps)


def _label(partition: int, minute: Any) -> str:
    return f"partition {partition}, {minute:%Y-%m-%d %H:%M} UTC"
