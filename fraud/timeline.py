"""The timeline that the log gives to policies: which one rules a payment, by when the log took it."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from fraud.columns import Ints
from fraud.errors import PolicyError
from fraud.policy import DELAY, Policy, decode

_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Void:
    """A record of topic `policies` that never took effect, and why."""

    offset: int
    reason: str


class PolicyTimeline:
    """The valid policies in append order. A policy never takes effect before an earlier one.

    >>> timeline = PolicyTimeline()
    >>> timeline.add(0, 1_000_000, b"no policy")
    'it is not JSON'
    >>> timeline.at(np.array([5_000_000])).tolist(), timeline.next_offset
    ([-1], 1)
    """

    def __init__(self) -> None:
        """Nothing read yet."""
        self.policies: list[Policy] = []
        self.offsets: list[int] = []
        """Of the valid policies in the topic."""
        self.voids: list[Void] = []
        self._effective_from: list[int] = []
        self.next_offset = 0
        """The offset of `policies` from which to read on."""

    def __len__(self) -> int:
        """Valid policies."""
        return len(self.policies)

    def add(self, record_offset: int, appended_at: int, value: bytes | None) -> str | None:
        """Take the next record of the topic; None when it is valid, else why it is void. `appended_at` in microseconds."""
        if record_offset < self.next_offset:
            raise PolicyError(f"policy record {record_offset} was read twice")
        self.next_offset = record_offset + 1
        try:
            policy = decode(value)
            _refuse_short_delay(policy)
            self._refuse_other_base(policy)
        except PolicyError as error:
            self.voids.append(Void(record_offset, str(error)))
            return str(error)
        effective = appended_at + policy.delay // _MICROSECOND
        self._effective_from.append(max([effective, *self._effective_from[-1:]]))
        self.policies.append(policy)
        self.offsets.append(record_offset)
        return None

    def at(self, received_at: Ints) -> Ints:
        """For payments received at these moments (microseconds, shape (n,)): index of the policy in force, -1 before the first."""
        return np.searchsorted(self.effective_from, received_at, side="right").astype(np.int64) - 1

    def in_force(self, received_at: int) -> Policy | None:
        """The policy of a payment received at a moment (microseconds); None before the first."""
        index = self.index_at(received_at)
        return self.policies[index] if index >= 0 else None

    def index_at(self, received_at: int) -> int:
        """The index of the policy of a payment received at a moment (microseconds); -1 before the first."""
        return bisect_right(self._effective_from, received_at) - 1

    def effective_at(self, policy: Policy) -> int:
        """When one of these policies takes effect, microseconds."""
        return next(at for at, known in zip(self._effective_from, self.policies, strict=True) if known is policy)

    @property
    def effective_from(self) -> Ints:
        """When each valid policy takes effect: microseconds, rising."""
        return np.array(self._effective_from, np.int64)

    @property
    def latest(self) -> Policy | None:
        """The newest valid policy, in force or about to be."""
        return self.policies[-1] if self.policies else None

    @property
    def latest_offset(self) -> int | None:
        """The offset that the next policy must be based on; None before the first."""
        return self.offsets[-1] if self.offsets else None

    def void_at(self, offset: int) -> Void | None:
        """Why the record at an offset is void; None when it is not."""
        return next((void for void in self.voids if void.offset == offset), None)

    def _refuse_other_base(self, policy: Policy) -> None:
        if policy.based_on == self.latest_offset:
            return
        based = "no policy" if policy.based_on is None else f"the policy at offset {policy.based_on}"
        newest = "there is none yet" if self.latest_offset is None else f"the last valid one is at {self.latest_offset}"
        raise PolicyError(f"it is based on {based}, {newest}")


def _refuse_short_delay(policy: Policy) -> None:
    if policy.delay < DELAY:
        raise PolicyError(
            f"its delay of {policy.delay // _MILLISECOND} ms is under {DELAY // _MILLISECOND} ms: consumers might read it too late"
        )
