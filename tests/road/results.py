"""What a run left in its store, in a form that two runs can be compared by."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consumer.comparing import Comparison, compare
from storage.flags.flag_store import FlagFilter, FlagStore

EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
EVERY_FLAG = 1_000_000

Document = dict[str, Any]
Place = tuple[str, str, int, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Flags by id and minute counters by place, of one log and group."""

    flags: dict[str, Document]
    """Without `decided_at`, the one field that may differ from run to run."""
    minutes: dict[Place, Document]

    def total(self, counter: str) -> int:
        """Sum of one counter over all minutes and partitions."""
        return sum(int(minute[counter]) for minute in self.minutes.values())

    @property
    def dead(self) -> Counter[str]:
        """Dead letters by reason."""
        return sum((Counter(minute["dead"]) for minute in self.minutes.values()), Counter())

    @property
    def accounted(self) -> int:
        """Messages with a known fate."""
        return sum(map(self.total, ("decided", "duplicates", "before_policy"))) + self.dead.total()

    @property
    def flags_by_rule(self) -> Counter[str]:
        """Flags that a rule hit, with its mode where that is not live."""
        hits = [hit for flag in self.flags.values() for hit in flag["hits"]]
        return Counter(hit["rule"] if hit["mode"] == "live" else f"{hit['rule']} ({hit['mode']})" for hit in hits)

    @property
    def flags_by_policy(self) -> Counter[str]:
        """Flags by the hash of the policy that ruled."""
        return Counter(flag["policy"] for flag in self.flags.values())


def results_of(store: FlagStore, log_id: str, group: str) -> Results:
    """Everything that a store holds of one log and group."""
    flags = store.flags(FlagFilter(since=EARLY, until=LATE), EVERY_FLAG)
    mine = [flag for flag in flags if (flag["log_id"], flag["group"]) == (log_id, group)]
    return Results(
        flags={flag["_id"]: {name: value for name, value in flag.items() if name != "decided_at"} for flag in mine},
        minutes=_minutes(store, log_id, group),
    )


def _minutes(store: FlagStore, log_id: str, group: str) -> dict[Place, Document]:
    found = store.minutes(EARLY, LATE).to_dict("records")
    rows = [{str(name): value for name, value in row.items()} for row in found]
    return {
        (row["log_id"], row["group"], row["partition"], row["minute"]): row
        for row in rows
        if (row["log_id"], row["group"]) == (log_id, group)
    }


def differences(expected: Results, found: Results) -> list[Comparison]:
    """Flags and minute counters of two runs."""
    return [
        compare("flags", expected.flags, found.flags),
        compare("minute counters", expected.minutes, found.minutes),
    ]
