"""Failpoints: named places where a fault test makes this process die, stall or fail. Without a test they cost one look at a dict.

>>> arm("after_store=kill@3, in_rebalance=stall:2.5")
>>> reached("after_commit")
>>> disarm()
"""

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fraud.errors import FailpointError, UsageError

POINTS: Final = (
    "after_poll",
    "after_decide",
    "inside_store",
    "after_store",
    "after_publish",
    "after_commit",
    "inside_checkpoint",
    "before_checkpoint_rename",
    "during_restore",
    "in_rebalance",
    "after_policy_read",
    "inside_archive_file",
    "after_archive_file",
)
"""Every place that exists, in the order in which a payment can meet them."""
_ARMED: Final = re.compile(
    r"(?P<point>\w+)=(?P<action>kill|raise|stall:(?P<seconds>\d+(\.\d+)?))(@(?P<time>[1-9]\d*))?"
)


@dataclass(slots=True)
class _Fault:
    """What happens at the n-th time that a point is reached, once."""

    happen: Callable[[], None]
    left: int


_faults: dict[str, _Fault] = {}


def arm(text: str) -> None:
    """Arm points: `POINT=ACTION[@N]` joined by commas; ACTION is kill, raise or stall:SECONDS, N counts from 1.

    Raises UsageError for anything else, so that a misspelt point never makes a proof pass.
    """
    for one in filter(None, (part.strip() for part in text.split(","))):
        found = _ARMED.fullmatch(one)
        if found is None or found["point"] not in POINTS:
            raise UsageError(
                f"failpoint {one!r}: expected POINT=kill|raise|stall:SECONDS[@N], POINT of {', '.join(POINTS)}"
            )
        _faults[found["point"]] = _Fault(
            _action(found["point"], found["action"], found["seconds"]), int(found["time"] or 1)
        )


def disarm() -> None:
    """Forget every fault."""
    _faults.clear()


def reached(point: str) -> None:
    """Called by the product at a place. Raises FailpointError where a test asked for it."""
    if _faults and (fault := _faults.get(point)) is not None:
        fault.left -= 1
        if fault.left == 0:
            fault.happen()


def _action(point: str, action: str, seconds: str | None) -> Callable[[], None]:
    if action == "kill":
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    if action == "raise":
        return lambda: _fail(point)
    return lambda: time.sleep(float(seconds or 0))


def _fail(point: str) -> None:
    raise FailpointError(f"failpoint {point}")
