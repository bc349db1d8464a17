"""A small trial of the guarantees without any server: one embedded log, processes that die at every failpoint, the oracle.

`python -m tests.prove.trial` prints what differs and ends with 3, or with 0 when everything is equal. Mutants of the product
must fail it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import typer

from cli.connect import open_store, topics
from cli.settings import Settings
from cli.termination import end
from fraud.decision import micros
from fraud.policy import DELAY
from fraud.rule_file import rule_set_of
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.log import TRANSACTIONS
from storage.policies import publish_rules
from tests.prove.comparing import Comparison
from tests.prove.holding import Expected, held
from tests.prove.holding_archive import archived
from tests.prove.payments import Message, Traffic
from tests.prove.twin_archives import archived_until, same_files
from tests.road.commands import FRAUD
from tests.road.results import results_of
from tests.services.server import die_with_parent, wait_until

FAILED: Final = 3
ROOT: Final = Path(__file__).parents[2]
RULES: Final = Path(__file__).with_name("rules.yaml")
GROUP: Final = "trial"
PARTITIONS: Final = 3
PAYMENTS: Final = 6_000
FIRST_FEW: Final = 300
"""Payments that come before the first policy."""
LIVES: Final = (
    "after_decide=stall:1, inside_store=kill",
    "after_store=kill@2",
    "after_publish=kill@3",
    "after_commit=kill@4",
    "inside_checkpoint=kill@2",
    "before_checkpoint_rename=kill@3",
    "during_restore=kill",
    "after_policy_read=kill@5",
    "after_poll=kill@6",
)
"""Where a consumer dies, one life after the other; the first gives the writer of checkpoints its time."""
BACK: Final = 200
"""Offsets by which the group is set back in the middle of its lives."""
ARCHIVE_LIVES: Final = ("inside_archive_file=kill@2", "after_archive_file=kill@3", "after_poll=kill@9")
"""Where an archive dies; another one, in a folder and group of its own, does not."""
PATIENCE: Final = 120.0
"""Seconds that one life may take."""


@dataclass(slots=True)
class Trial:
    """One log and one store in a folder."""

    folder: Path
    seed: int = 7
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        """Name the parts."""
        self.settings = Settings(
            log=f"embedded:{self.folder}/log",
            store=f"sqlite:///{self.folder}/flags.db",
            data_dir=str(self.folder),
            rules_file=self.folder / "rules.yaml",
            group=GROUP,
            partitions=PARTITIONS,
        )

    def fill(self) -> None:
        """Payments of twenty minutes, two policies among them, all in the past; the rules file says something else again."""
        text = RULES.read_text(encoding="utf-8")
        until = datetime.now(UTC) - timedelta(minutes=5)
        clock = _Clock(micros(until - timedelta(minutes=20)), 20 * 60_000_000 // PAYMENTS)
        with closing(EmbeddedLog(self.folder / "log", clock=clock)) as log:
            log.create(topics(self.settings))
            messages = Traffic(seed=self.seed, count=PAYMENTS, until=until - timedelta(minutes=20)).messages()
            _send(log, islice(messages, FIRST_FEW), clock)
            _publish(log, text, clock)
            _send(log, islice(messages, PAYMENTS // 2), clock)
            _publish(log, text.replace("EUR: 1000", "EUR: 120"), clock)
            _send(log, messages, clock)
        self.settings.rules_file.write_text(text.replace("EUR: 1000", "EUR: 90"), encoding="utf-8")

    def decide(self, lives: Sequence[str]) -> None:
        """Let a consumer die in each of these ways, then let one come to the end. RuntimeError where one does something else."""
        consumer = Member("consume", GROUP, self.folder)
        for number, armed in enumerate(lives):
            self._expect(consumer, armed, -signal.SIGKILL)
            if number == len(lives) // 2:
                self._set_back()
        self._expect(consumer, "", 0)

    def archive(self, lives: Sequence[str]) -> None:
        """Archive the log twice: once dying in each of these ways, once without."""
        for armed in lives:
            self._expect(self.archives[0], armed, -signal.SIGKILL)
        for archive in self.archives:
            self._expect(archive, "", 0)

    @property
    def archives(self) -> tuple["Member", "Member"]:
        """The one that dies, and the one that does not, each in a folder and group of its own."""
        killed, whole = (Member("archive", name, self.folder / name) for name in ("killed", "whole"))
        return killed, whole

    def differences(self) -> list[Comparison]:
        """What store and topics hold, against the oracle."""
        out = self.folder / "expected.json"
        subprocess.run([sys.executable, "-m", "tests.prove.oracle", self.settings.log, str(out)], check=True, cwd=ROOT)
        with closing(EmbeddedLog(self.folder / "log")) as log, closing(open_store(self.settings)) as store:
            expected = Expected(out)
            killed, whole = (archive.data_dir for archive in self.archives)
            return [
                *held(expected, results_of(store, log.topic_id(TRANSACTIONS), GROUP), log),
                same_files(whole, killed),
                archived(expected, whole, self.archives[1].ends(log)),
            ]

    def _set_back(self) -> None:
        """Commit earlier offsets, as after a broker that lost the last ones: checkpoints now lie beyond what is committed."""
        with closing(EmbeddedLog(self.folder / "log")) as log:
            committed = log.committed(TRANSACTIONS, GROUP)
            with closing(log.group_reader(TRANSACTIONS, GROUP)) as reader:
                reader.commit({partition: max(0, offset - BACK) for partition, offset in committed.items()})

    def _expect(self, member: "Member", armed: str, code: int) -> None:
        output = self.folder / f"{member.group}.log"
        if (left := self._live(member, output, armed)) != code:
            said = output.read_text(errors="replace").splitlines()[-3:]
            what = f"{member.command} ({armed or 'nothing armed'})"
            raise RuntimeError(f"{what} left with {left}, not {code}: {' | '.join(said)}")

    def _live(self, member: "Member", output: Path, armed: str) -> int:
        """One process until it dies, or is asked to leave because all that it can commit is committed; its exit code."""
        with output.open("wb") as written, closing(EmbeddedLog(self.folder / "log")) as log:
            ends = member.ends(log)
            process = subprocess.Popen(
                [*FRAUD, member.command, *(["--no-watch"] if member.command == "consume" else [])],
                cwd=self.folder,
                env=self._environment(member, armed),
                stdout=written,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )
            try:
                wait_until(
                    lambda: process.poll() is not None or log.committed(TRANSACTIONS, member.commits_as) == ends,
                    f"the end of {member.command} ({armed or 'nothing armed'})",
                    PATIENCE,
                    every=0.1,
                )
            finally:
                end(process, 20.0)
        return process.returncode

    def _environment(self, member: "Member", armed: str) -> dict[str, str]:
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("FRAUD_")}
        settings = self.settings
        return foreign | {
            "PYTHONPATH": str(ROOT),
            "FRAUD_LOG": settings.log,
            "FRAUD_STORE": settings.store.get_secret_value(),
            "FRAUD_DATA_DIR": str(member.data_dir),
            "FRAUD_RULES_FILE": str(settings.rules_file),
            "FRAUD_GROUP": member.group,
            "FRAUD_BATCH_SIZE": "150",
            "FRAUD_CHECKPOINT_SECONDS": "0.001",
            "FRAUD_FAILPOINTS": armed,
        }


@dataclass(frozen=True, slots=True)
class Member:
    """A process over the trial's log."""

    command: str
    group: str
    data_dir: Path

    @property
    def commits_as(self) -> str:
        """The group that its offsets are committed under."""
        return f"{self.group}-archive" if self.command == "archive" else self.group

    def ends(self, log: EmbeddedLog) -> dict[int, int]:
        """Where it has nothing left to commit, by partition."""
        if self.command == "archive":
            return {partition: end for partition in range(PARTITIONS) if (end := archived_until(log, partition))}
        return {partition: log.bounds(TRANSACTIONS, partition)[1] for partition in range(PARTITIONS)}


@dataclass(slots=True)
class _Clock:
    """The log's append clock: every message a step later."""

    now: int
    step: int

    def __call__(self) -> int:
        return self.now


def _send(log: EmbeddedLog, messages: Iterator[Message], clock: _Clock) -> None:
    with closing(log.publisher()) as publisher:
        for key, value in messages:
            clock.now += clock.step
            publisher.send(TRANSACTIONS, key, value)


def _publish(log: EmbeddedLog, text: str, clock: _Clock) -> None:
    publish_rules(log, rule_set_of(text, "rules.yaml"), None)
    clock.now += DELAY // timedelta(microseconds=1)


def main() -> int:
    """Run it in a folder of its own; 0 when all is equal."""
    with tempfile.TemporaryDirectory() as name:
        trial = Trial(Path(name))
        trial.fill()
        try:
            trial.decide(LIVES)
            trial.archive(ARCHIVE_LIVES)
        except (RuntimeError, AssertionError) as error:
            typer.echo(str(error))
            return FAILED
        found = trial.differences()
    for comparison in found:
        typer.echo("\n".join(comparison.lines()))
    return 0 if all(comparison.is_equal for comparison in found) else FAILED


if __name__ == "__main__":
    sys.exit(main())
