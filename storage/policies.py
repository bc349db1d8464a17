"""Policies in the log: read topic `policies` into a timeline, and publish the next policy on top of the last valid one."""

from collections.abc import Callable
from dataclasses import dataclass

from fraud.errors import PolicyError
from fraud.policy import ENGINE_VERSION, Policy, encode
from fraud.rule_set import RuleSet
from fraud.timeline import PolicyTimeline
from storage.logs.log import POLICIES, Log

Change = Callable[[Policy | None], Policy]
"""From the last valid policy (None: there is none yet) to the next; replaces only the publisher's own part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A policy that is valid in the log."""

    policy: Policy
    offset: int
    effective_from: int
    """Microseconds since the epoch."""
    is_new: bool
    """False when the last valid policy already said all of it: nothing was sent."""


def read_timeline(log: Log, timeline: PolicyTimeline | None = None) -> PolicyTimeline:
    """Read the topic to its end, onto what was read before if a timeline is given."""
    timeline = PolicyTimeline() if timeline is None else timeline
    first, _ = log.bounds(POLICIES, 0)
    if first > timeline.next_offset:
        raise PolicyError(
            f"topic {POLICIES} begins at offset {first}: earlier policies are gone, and with them what ruled when"
        )
    for record in log.read(POLICIES, 0, timeline.next_offset):
        timeline.add(record.offset, record.received_at, record.value)
    return timeline


def publish_rules(log: Log, rules: RuleSet, watched_file: str | None) -> Published:
    """Publish rules: the first policy, or the next one with everything else carried forward. As `publish` otherwise.

    `watched_file` is the file's hash when it is the one that is watched, so that watching does not publish it again.
    """
    return publish(
        log,
        lambda base: base.with_rules(rules, watched_file) if base else Policy(rules=rules, watched_file=watched_file),
    )


def hand_over(log: Log, from_engine: int) -> Published:
    """Publish the last policy again for the engine of this release, all else as it is.

    Raises PolicyError as `publish`, and where the last policy is not one of `from_engine` that this release can read.
    """

    def for_this_engine(base: Policy | None) -> Policy:
        if base is None:
            raise PolicyError("there is no policy to hand over: run `fraud init`")
        if base.engine_version == ENGINE_VERSION:
            raise PolicyError(f"the last policy is for engine version {ENGINE_VERSION}, this release's, already")
        if base.engine_version != from_engine:
            raise PolicyError(f"the last policy is for engine version {base.engine_version}, not {from_engine}")
        if not base.is_understood:
            raise PolicyError(f"the last policy, of engine version {from_engine}, holds what this release cannot read")
        return base.with_engine(ENGINE_VERSION)

    return publish(log, for_this_engine)


def publish(log: Log, change: Change) -> Published:
    """Send the next policy and read it back. Raises PolicyError when somebody else published in between: nothing changed."""
    timeline = read_timeline(log)
    base = timeline.latest
    policy = change(base).rebased(timeline.latest_offset)
    if policy.engine_version != ENGINE_VERSION:
        raise PolicyError(
            f"the policy in force is for engine version {policy.engine_version}, this release has {ENGINE_VERSION}: "
            "publish with the release that has it"
        )
    if base is not None and (policy.hash, policy.watched_file, policy.delay) == (
        base.hash,
        base.watched_file,
        base.delay,
    ):
        return _published(timeline, timeline.offsets[-1], is_new=False)
    offset = _append(log, encode(policy))
    void = read_timeline(log, timeline).void_at(offset)
    if void is not None:
        raise PolicyError(
            f"the policy at offset {offset} is void, nothing changed: {void.reason}; look at what is in force, then try again"
        )
    return _published(timeline, offset, is_new=True)


def _append(log: Log, value: bytes) -> int:
    offsets: list[int] = []
    publisher = log.publisher()
    try:
        publisher.send(POLICIES, None, value, on_ack=lambda _partition, offset, _received_at: offsets.append(offset))
        publisher.flush()
    finally:
        publisher.close()
    return offsets[-1]


def _published(timeline: PolicyTimeline, offset: int, *, is_new: bool) -> Published:
    index = timeline.offsets.index(offset)
    return Published(
        policy=timeline.policies[index],
        offset=offset,
        effective_from=int(timeline.effective_from[index]),
        is_new=is_new,
    )
