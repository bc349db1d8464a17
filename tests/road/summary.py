"""The table that a run over the real road ends with."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.road.again import BEFORE
from tests.road.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How many messages there were, and how long they took, but for the few that were sent last for the archive's sake."""

    messages: int
    """Without those."""
    last_ones: int
    sent_s: float
    """From the first append to the last."""
    decided_s: float
    """From the first append until the group had committed everything."""


def summary(flow: Flow, found: Results, payments: Counter[str]) -> Iterator[str]:
    """Lines of the table; `payments` says how many of them each policy rules."""
    messages = flow.messages + flow.last_ones
    last_ones = f"{flow.last_ones:,} of them sent last, to end the archive's files" if flow.last_ones else ""
    yield _row("messages in the log", messages, last_ones)
    for sign, name, count in (
        ("=", "decided", found.total("decided")),
        ("+", "duplicates", found.total("duplicates")),
        ("+", "dead letters", found.dead.total()),
        ("+", "before the first policy", found.total("before_policy")),
    ):
        yield _row(f"  {sign} {name}", count)
    yield _row("flags", len(found.flags), f"{len(found.flags) / messages:.2%} of the messages")
    for rule, flags in found.flags_by_rule.most_common():
        yield _row(f"  hit by {rule}", flags)
    for policy, count in payments.items():
        flags = found.flags_by_policy[policy]
        name = policy if policy == BEFORE else f"policy {policy[:12]}"
        yield _row(f"  under {name}", flags, f"{flags / count:.2%} of its {count:,} messages")
    yield f"{'sent in':<36}{flow.sent_s:>10,.1f} s  {flow.messages / flow.sent_s:,.0f} messages/s"
    yield f"{'sent and decided in':<36}{flow.decided_s:>10,.1f} s  {flow.messages / flow.decided_s:,.0f} messages/s"


def _row(name: str, count: int, note: str = "") -> str:
    return f"{name:<36}{count:>10,}  {note}".rstrip()
