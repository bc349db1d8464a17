"""Holding what is stored against the log: a range is decided again and compared, and nothing is written anywhere.

What cannot be read is never called equal: it is a gap with its reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consumer.asked_ranges import Asked, Gap, Range, ranges
from consumer.recomputing import Recomputer
from consumer.verification import Verification
from consumer.verifying_flags import FlagCheck
from consumer.verifying_minutes import MinuteCheck
from fraud.engine import Scorer
from fraud.errors import PolicyError, StoreError
from storage.flags.flag_store import FlagStore
from storage.logs.log import TRANSACTIONS, Log
from storage.policies import read_timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Decides again what a group has decided, and compares."""

    source: Log
    group: str
    scorers: Mapping[str, Scorer]
    store: FlagStore | None
    """None: it is not looked at."""

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
        store = self.store
        if store is None:
            return
        flags = FlagCheck(source=self.source, store=store, log_id=found.log_id, group=self.group)
        minutes = MinuteCheck(store=store, log_id=found.log_id, group=self.group)
        found.comparisons += [flags.comparison, minutes.comparison]
        for one in wanted:
            for piece in recomputer.decided(one):
                if isinstance(piece, Gap):
                    found.add_gap(piece)
                    continue
                flags.take(piece)
                minutes.take(piece)
        for gap in list(flags.finish(wanted, found.gaps, asked)):
            found.add_gap(gap)
        minutes.finish(wanted, found.gaps)
