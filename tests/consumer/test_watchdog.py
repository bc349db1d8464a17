"""A loop that stands still ends its process, one that waits or was frozen does not, and the next process goes on."""

import re
from pathlib import Path

import pytest

from consumer.watchdog import Watchdog
from tests.builders import NOON, transaction
from tests.consumer.roads import Road
from tests.road.commands import Commands

PATIENCE = 8.0


class Watched:
    """A loop and its clock, moved by the test."""

    def __init__(self) -> None:
        self.seconds, self.turned_at = 0.0, 0.0
        self.ended = False
        self.watchdog = Watchdog(
            turned_at=lambda: self.turned_at,
            doing=lambda: "store",
            seconds=PATIENCE,
            monotonic=lambda: self.seconds,
            end=self._end,
        )

    def pass_by(self, seconds: float, *, turning: bool = False, step: float = 1.0) -> None:
        """Let time pass with a look after every step."""
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds += step
            if turning:
                self.turned_at = self.seconds
            self.watchdog.look()

    def _end(self) -> None:
        self.ended = True


@pytest.mark.parametrize(
    ("silent", "ended"),
    [
        pytest.param(PATIENCE - 1, False, id="just under its patience"),
        pytest.param(PATIENCE, True, id="exactly its patience"),
    ],
)
def test_a_loop_without_a_turn_is_ended(silent: float, ended: bool) -> None:
    watched = Watched()
    watched.pass_by(3, turning=True)

    watched.pass_by(silent)

    assert watched.ended is ended


def test_a_loop_that_turns_is_left_alone_for_ever() -> None:
    watched = Watched()

    watched.pass_by(100 * PATIENCE, turning=True)

    assert not watched.ended


def test_time_in_which_the_process_was_frozen_does_not_count() -> None:
    watched = Watched()
    watched.pass_by(1, turning=True)

    watched.pass_by(3_600, step=3_600)

    assert not watched.ended


@pytest.mark.slow
def test_a_stalled_consumer_ends_with_one_line_and_the_next_one_goes_on(tmp_path: Path) -> None:
    road, whole = Road(tmp_path / "stalled"), Road(tmp_path / "whole")
    payments = [
        transaction(transaction_id=f"t-{number}", event_time=NOON, user_id=f"u-{number}", amount=500.0)
        for number in range(20)
    ]
    for one in (road, whole):
        one.policy()
        sent = one.send(payments)
    folder = tmp_path / "stalled"
    environment = {
        "FRAUD_LOG": f"embedded:{folder}/log",
        "FRAUD_STORE": f"sqlite:///{folder}/flags.db",
        "FRAUD_DATA_DIR": str(folder),
        "FRAUD_LOG_FORMAT": "json",
        "FRAUD_FAILPOINTS": "after_decide=stall:600",
        "FRAUD_STALL_SECONDS": "2",
    }

    with Commands(environment, tmp_path) as commands, pytest.raises(RuntimeError, match="ended with 1") as ended:
        commands.run("consume", "--no-watch")
    before = road.flags()
    road.consume(records=sent)
    whole.consume(records=sent)

    (line,) = re.findall(r'\{[^\n]*"stalled"[^\n]*\}', str(ended.value))
    assert '"stage": "decide"' in line
    assert "_work" in line
    assert before == []
    assert road.flags() == whole.flags()
    assert len(whole.flags()) == len(payments)
