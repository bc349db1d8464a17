"""Holding what is stored against the log: a range is decided again and compared, and nothing is written anywhere.

What cannot be read is never called equal: it is a gap with its reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from consumer.archiving import archive_group
from consumer.asked_ranges import Asked, Gap, Range, ranges
from consumer.comparing import Comparison
from consumer.deciding import Answer
from consumer.recomputing import Recomputer
from consumer.verification import Verification
from consumer.verifying_archive import ArchiveCheck
from consumer.verifying_flags import FlagCheck
from consumer.verifying_minutes import MinuteCheck
from fraud.engine import Scorer
from fraud.errors import PolicyError, StoreError
from storage.archive import Archive
from storage.flags.flag_store import FlagStore
from storage.logs.log import TRANSACTIONS, Log
from storage.policies import read_timeline


class Check(Protocol):
    """One side that is held against the log."""

    comparison: Comparison

    def begin(self, wanted: Range) -> None:
        """The next partition."""
        ...

    def take(self, answer: Answer) -> None:
        """Its next chunk, decided again."""
        ...

    def skip(self, gap: Gap) -> None:
        """Its next chunk, which cannot be decided."""
        ...

    def finish(self, found: Verification, asked: Asked) -> None:
        """After the last partition: what is there besides, and what is not verifiable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Decides again what a group has decided, and compares."""

    source: Log
    group: str
    scorers: Mapping[str, Scorer]
    store: FlagStore | None
    """None: it is not looked at."""
    archive: Archive | None
    """Likewise."""

    def ranges(self, asked: Asked) -> list[Range]:
        """What will be decided again. Raises UsageError, LogError."""
        return ranges(self.source, self.group, asked)

    def verify(
        self, wanted: list[Range], asked: Asked, advance: Callable[[int], None] = lambda _records: None
    ) -> Verification:
        """Compare; `advance` is told how many more records were decided. Raises LogError where nothing can be looked at."""
        log_id = self.source.topic_id(TRANSACTIONS)
        found = Verification(log_id=log_id, group=self.group, ranges=wanted)
        for gap in (gap for one in wanted for gap in one.gaps):
            found.add_gap(gap)
        if not self.source.committed(TRANSACTIONS, self.group):
            found.unread.append(f"group `{self.group}` has committed nothing on this log: is it the right group?")
            return found
        try:
            timeline = read_timeline(self.source)
        except PolicyError as error:
            found.unread.append(str(error))
            return found
        recomputer = Recomputer(
            source=self.source,
            log_id=log_id,
            group=self.group,
            timeline=timeline,
            scorers=self.scorers,
            advance=advance,
        )
        try:
            self._compare(recomputer, found, wanted, asked)
        except StoreError as error:
            found.unread.append(str(error))
        return found

    def _compare(self, recomputer: Recomputer, found: Verification, wanted: list[Range], asked: Asked) -> None:
        """Decide once, and show every answer to each side."""
        checks = self._checks(found)
        found.comparisons += [check.comparison for check in checks]
        for one in wanted:
            for check in checks:
                check.begin(one)
            for piece in recomputer.decided(one):
                if isinstance(piece, Gap):
                    found.add_gap(piece)
                for check in checks:
                    if isinstance(piece, Gap):
                        check.skip(piece)
                    else:
                        check.take(piece)
        for check in checks:
            check.finish(found, asked)

    def _checks(self, found: Verification) -> list[Check]:
        checks: list[Check] = []
        log_id, group = found.log_id, self.group
        if self.store is not None:
            checks.append(FlagCheck(source=self.source, store=self.store, log_id=log_id, group=group))
            checks.append(MinuteCheck(store=self.store, log_id=log_id, group=group))
        if self.archive is not None:
            archivist = archive_group(group)
            committed = self.source.committed(TRANSACTIONS, archivist)
            checks.append(ArchiveCheck(archive=self.archive, log_id=log_id, group=archivist, committed=committed))
        return checks
