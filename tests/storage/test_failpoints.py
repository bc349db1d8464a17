"""Failpoints: what a fault test asks for happens, at its time and once; nothing else ever does."""

import signal
import subprocess
import sys

import pytest

from fraud.errors import FailpointError, UsageError
from storage.failpoints import POINTS, arm, disarm, reached


@pytest.fixture(autouse=True)
def _nothing_armed():
    disarm()
    yield
    disarm()


def test_nothing_happens_where_nothing_is_armed():
    for point in POINTS:
        reached(point)


def test_a_fault_happens_at_its_time_and_once():
    arm("after_store=raise@3")

    reached("after_store")
    reached("after_commit")
    reached("after_store")
    with pytest.raises(FailpointError, match="after_store"):
        reached("after_store")
    reached("after_store")


def test_several_points_are_armed_at_once():
    arm("after_store=raise, in_rebalance=stall:0")

    reached("in_rebalance")
    with pytest.raises(FailpointError):
        reached("after_store")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("after_stor=kill", id="a point that does not exist"),
        pytest.param("after_store=explode", id="an action that does not exist"),
        pytest.param("after_store=kill@0", id="the time before the first"),
        pytest.param("after_store", id="no action"),
        pytest.param("after_store=stall", id="a stall without seconds"),
    ],
)
def test_a_misspelt_fault_is_refused(text):
    with pytest.raises(UsageError, match="failpoint"):
        arm(text)


def test_a_kill_leaves_no_time_to_clean_up():
    lines = ["from storage.failpoints import arm, reached", "arm('after_poll=kill')"]
    lines += ["try:", "    reached('after_poll')", "finally:", "    print('cleaned up')"]

    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
