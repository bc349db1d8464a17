"""What a verification comes to: what is equal, what differs, and what nothing can be said about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from consumer.asked_ranges import Gap, Range
from consumer.comparing import Comparison

EQUAL: Final = "equal"
DIFFERENT: Final = "different"
NOT_VERIFIABLE: Final = "not verifiable"
_EMPTY: Final = "no committed payment lies in the range: look at its bounds"
EXIT_CODES: Final = {EQUAL: 0, DIFFERENT: 1, NOT_VERIFIABLE: 2}


@dataclass(slots=True, kw_only=True)
class Verification:
    """The answer of `fraud replay --verify`."""

    log_id: str
    group: str
    ranges: Sequence[Range]
    comparisons: list[Comparison] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    """What is not verifiable."""
    unread: list[str] = field(default_factory=list)
    """Why a whole side could not be looked at, one line each."""
    pending: list[str] = field(default_factory=list)
    """What is not there yet and need not be, one line each."""

    @property
    def verdict(self) -> str:
        """A difference counts more than what is not verifiable; where nothing lies in the range, nothing was verified."""
        if any(comparison.differences for comparison in self.comparisons):
            return DIFFERENT
        return NOT_VERIFIABLE if self.gaps or self.unread or self.is_empty else EQUAL

    @property
    def is_empty(self) -> bool:
        """Whether no offset lies in the range and nothing says why: perhaps its bounds are not those that were meant."""
        return not (self.gaps or self.unread or any(map(len, self.ranges)))

    @property
    def exit_code(self) -> int:
        """0 where all is equal, 1 for a difference, 2 where something is not verifiable."""
        return EXIT_CODES[self.verdict]

    def add_gap(self, gap: Gap) -> None:
        """One more stretch, joined to the one before it where that says the same."""
        last = self.gaps[-1] if self.gaps else None
        if last and (last.partition, last.end, last.reason) == (gap.partition, gap.start, gap.reason):
            minutes = None if last.minutes is None or gap.minutes is None else (last.minutes[0], gap.minutes[1])
            gap = Gap(partition=gap.partition, start=last.start, end=gap.end, reason=gap.reason, minutes=minutes)
            self.gaps.pop()
        self.gaps.append(gap)

    def lines(self) -> Iterator[str]:
        """For people: what was decided again, what was found, the verdict last."""
        offsets = sum(map(len, self.ranges))
        partitions = "1 partition" if len(self.ranges) == 1 else f"{len(self.ranges)} partitions"
        yield f"{offsets:,} offsets of {partitions}, decided by group `{self.group}`, looked at again"
        for comparison in self.comparisons:
            yield from comparison.lines()
        yield from self.pending
        undecided = sum(wanted.undecided for wanted in self.ranges)
        if undecided:
            yield f"not yet decided: {undecided:,} records that the group has not committed"
        empty = [_EMPTY] if self.is_empty else []
        for line in [*self.unread, *map(str, self.gaps), *empty]:
            yield f"not verifiable: {line}"
        yield f"verdict: {self.verdict}"

    def facts(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "verdict": self.verdict,
            "log_id": self.log_id,
            "group": self.group,
            "partitions": [
                {
                    "partition": wanted.partition,
                    "from_offset": wanted.start,
                    "to_offset": wanted.end,
                    "not_yet_decided": wanted.undecided,
                }
                for wanted in self.ranges
            ],
            "comparisons": [comparison.facts() for comparison in self.comparisons],
            "not_verifiable": [
                {"partition": gap.partition, "from_offset": gap.start, "to_offset": gap.end, "reason": gap.reason}
                for gap in self.gaps
            ]
            + [
                {"partition": None, "from_offset": None, "to_offset": None, "reason": line}
                for line in [*self.unread, *([_EMPTY] if self.is_empty else [])]
            ],
            "pending": self.pending,
        }
