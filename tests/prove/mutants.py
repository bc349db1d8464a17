"""Wrong versions of the product that the proofs must catch: a proof that passes with one of them proves nothing.

`python -m tests.prove.mutants [NAME ...]` copies the tree, makes one mistake in the copy, and runs there the trial that has to
fail. A mutant whose text is no longer in the code is an error: then the list is out of date.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import typer

from tests.prove.outcome import Outcome

ROOT: Final = Path(__file__).parents[2]
PLACE: Final = ROOT / ".cache" / "mutants"
AT_ONCE: Final = 2
"""Trials side by side: each is one process at a time that computes."""
PATIENCE: Final = 600.0
"""Seconds that a trial may take; one that takes longer is stuck, which is caught too."""
STUCK: Final = "stuck"
IN_VAIN: Final = re.compile(r"waited [\d.e+]+ s in vain")
FAILED: Final = 3
"""Exit code of a trial that found what must not be."""
KILLS: Final = ("-m", "tests.prove.trial")
CUTS: Final = ("-m", "tests.prove.cuts")
REBALANCE: Final = ("-m", "tests.prove.group")


class OutOfDateError(Exception):
    """The product no longer holds the text that a mutant changes."""


class BrokenTrialError(Exception):
    """A trial that came to no answer: what it did not see, it did not catch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake in one file, and the trial that has to fail because of it."""

    name: str
    file: str
    right: str
    """A text that stands in the file once."""
    wrong: str
    trial: tuple[str, ...] = KILLS


Judgement = tuple[Mutant, bool, str]
"""A mutant or control, whether it fares as it must, and a line about it."""

MUTANTS: Final = (
    Mutant(
        name="commit before store",
        file="consumer/loop.py",
        right='        reached("after_decide")\n',
        wrong='        reached("after_decide")\n        self.reader.commit(answer.next_offsets)\n',
    ),
    Mutant(
        name="random flag ids",
        file="fraud/flagging.py",
        right="id=flag_id(transaction.user_id, transaction.transaction_id, transaction.event_time),",
        wrong="id=__import__('uuid').uuid4().hex,",
    ),
    Mutant(
        name="seek to committed without replaying from the checkpoint",
        file="consumer/restoring.py",
        right="        replayed, seconds = self._replay(partition, checkpoint.offset, committed)\n",
        wrong="        replayed, seconds = 0, 0.0\n        state.next_offset = committed\n",
    ),
    Mutant(
        name="checkpoint before the store has it",
        file="consumer/loop.py",
        right='        reached("after_decide")\n',
        wrong='        self.checkpointing.after(self.decider, answer, answer.next_offsets)\n        reached("after_decide")\n',
    ),
    Mutant(
        name="restore the checkpoint whose file is newest, beyond what is committed too",
        file="consumer/checkpoints.py",
        right="            if named.offset > at_most:\n                continue\n",
        wrong="",
    ),
    Mutant(
        name="wall clock in a window",
        file="fraud/windows.py",
        right="        times = batch.event_time[rows]\n",
        wrong="        times = np.minimum(batch.event_time[rows], __import__('time').time_ns() // 1000) + 10 * 86_400_000_000\n",
    ),
    Mutant(
        name="duplicate key is a failure",
        file="storage/flags/sql_store.py",
        right="self._insert(FLAGS).on_conflict_do_nothing().returning(FLAGS.c.id)",
        wrong="self._insert(FLAGS).returning(FLAGS.c.id)",
    ),
    Mutant(
        name="policy from the file instead of the log",
        file="consumer/deciding.py",
        right="        return None if index < 0 else self.timeline.policies[index]\n",
        wrong=(
            "        import os, pathlib\n        from dataclasses import replace as other\n"
            "        from fraud.rule_file import rule_set_of\n"
            "        text = pathlib.Path(os.environ['FRAUD_RULES_FILE']).read_text()\n"
            "        return None if index < 0 else other(self.timeline.policies[index], rules=rule_set_of(text, 'rules.yaml'))\n"
        ),
    ),
    Mutant(
        name="the policy of now instead of the payment's",
        file="fraud/timeline.py",
        right='        return np.searchsorted(self.effective_from, received_at, side="right").astype(np.int64) - 1\n',
        wrong="        return np.full(len(received_at), len(self.policies) - 1, np.int64)\n",
    ),
    Mutant(
        name="minute counters that are added up in the store",
        file="consumer/minutes.py",
        right="                self.counts.add(counts)\n",
        wrong="                self.counts = counts\n",
    ),
    Mutant(
        name="the open minute is forgotten at a restart",
        file="consumer/restoring.py",
        right="OpenMinute(checkpoint.minute)",
        wrong="OpenMinute(None)",
    ),
    Mutant(
        name="a score that depends on its batch",
        file="models/scorer.py",
        right="        return scores\n",
        wrong="        return np.minimum(scores + rows % 7, 1_000_000)\n",
        trial=CUTS,
    ),
    Mutant(
        name="running maximum of append times by poll",
        file="consumer/deciding.py",
        right="np.maximum(received_at[rows], self.states[partition].received_at)",
        wrong="received_at[rows]",
        trial=CUTS,
    ),
    Mutant(
        name="archive files cut by the clock",
        file="storage/ranges.py",
        right="keys = np.stack([offsets // OFFSETS, received_at // _MICROS])",
        # Ends normally: where the log ends, and so at the last end of a file, the ranges are right.
        wrong=(
            "old = __import__('time').time_ns() // 1000 - 18 * 60_000_000\n"
            "        keys = np.stack([offsets // OFFSETS, received_at // np.where(received_at < old, 60_000_000, _MICROS)])"
        ),
    ),
    Mutant(
        name="an archive that commits what is not in a file",
        file="consumer/archiving.py",
        right="        return {partition: self._ends[partition] for partition in sorted(partitions) if partition in self._ends}\n",
        # Ends normally: only what lies early is committed too soon.
        wrong=(
            "        early = {at: offset for at, offset in answer.next_offsets.items() if offset < 700}\n"
            "        return {at: end for at, end in self._ends.items() if at in answer.next_offsets} | early\n"
        ),
    ),
    Mutant(
        name="work on the client's own thread",
        file="storage/logs/kafka_reader.py",
        right='        reached("in_rebalance")\n',
        wrong='        reached("in_rebalance")\n        [self._consumer.committed(at) for at in assigned]\n',
        trial=REBALANCE,
    ),
)


CONTROLS: Final = tuple(
    Mutant(name=f"no mistake: {' '.join(trial[1:])}", file="README.md", right="", wrong="", trial=trial)
    for trial in dict.fromkeys(mutant.trial for mutant in MUTANTS)
)
"""Each trial on the tree as it is, which must pass: else catching mutants means nothing."""


def copied(mutant: Mutant, tree: Path) -> None:
    """Make it the tree with the mistake in it. OutOfDateError where the text is not there once."""
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / ".cache").symlink_to(ROOT / ".cache")
    if mutant not in CONTROLS:
        _spoil(tree, mutant)


def _spoil(tree: Path, mutant: Mutant) -> None:
    text = (tree / mutant.file).read_text(encoding="utf-8")
    if text.count(mutant.right) != 1:
        raise OutOfDateError(f"{mutant.name}: {mutant.file} holds its text {text.count(mutant.right)} times, not once")
    (tree / mutant.file).write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")


@dataclass(slots=True)
class Bench:
    """Trials, a few at once, each in a tree of its own."""

    running: set["subprocess.Popen[str]"] = field(default_factory=set)
    _trees: "SimpleQueue[Path]" = field(default_factory=SimpleQueue)
    """Those that are free. Always the same places: compiled kernels are kept by path and content."""

    def __post_init__(self) -> None:
        """All trees are free."""
        for number in range(AT_ONCE):
            self._trees.put(PLACE / f"tree-{number}")

    def judge(self, mutant: Mutant) -> Judgement:
        """Whether it fares as it must, and a line about it."""
        tree = self._trees.get()
        try:
            copied(mutant, tree)
            fails, said = self._caught(mutant, tree)
        except (OutOfDateError, BrokenTrialError) as error:
            return mutant, False, str(error)
        finally:
            self._trees.put(tree)
        is_right = fails is (mutant in MUTANTS)
        how = "passed" if not fails else "caught by a time-out alone" if _is_time_out(said) else "caught"
        line = f"{how}{'' if is_right else ' (WRONG)'}: {mutant.name}: {said}"
        return mutant, is_right, line

    def _caught(self, mutant: Mutant, tree: Path) -> tuple[bool, str]:
        """Whether the trial fails with the mistake, and the last that it said."""
        process = subprocess.Popen(
            [sys.executable, *mutant.trial],
            cwd=tree,
            env={**os.environ, "NUMBA_CACHE_DIR": str(PLACE / "kernels")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.add(process)
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True, STUCK
        finally:
            self.running.discard(process)
        if process.returncode not in (0, FAILED):
            raise BrokenTrialError(f"{mutant.name}: the trial broke with {process.returncode}: {stderr.strip()[-300:]}")
        lines = [line for line in stdout.splitlines() if line.strip()]
        telling = [line for line in lines if not line.endswith(", 0 missing, 0 extra, 0 different")]
        return process.returncode == FAILED, (telling or lines or [stderr.strip()])[0][:160]


def _is_time_out(said: str) -> bool:
    """Whether the trial compared nothing: it waited for an end that did not come."""
    return said == STUCK or IN_VAIN.search(said) is not None


def mutants(outcome: Outcome) -> None:
    """Row of the table: every control passes, every mutant is caught."""
    for mutant, is_right, line in judged([]):
        outcome.rounds += mutant in MUTANTS
        (outcome.notes if is_right else outcome.failures).append(line)


def judged(names: Sequence[str]) -> Iterator[Judgement]:
    """Controls and mutants, all or those named, in the order of the lists."""
    PLACE.mkdir(parents=True, exist_ok=True)
    bench = Bench()
    chosen = [mutant for mutant in (*CONTROLS, *MUTANTS) if not names or mutant.name in names]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            yield from pool.map(bench.judge, chosen)
        except BaseException:  # such as SIGTERM: nobody waits for the trials that still run
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(bench.running):
                process.kill()
            raise


def main(names: Sequence[str]) -> int:
    """Print each; 0 when every control passes and every mutant is caught."""
    wrong = 0
    for _mutant, is_right, line in judged(names):
        wrong += not is_right
        typer.echo(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
