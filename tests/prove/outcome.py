"""What a row came to: judged once its faults are over, and written down where the table is made from."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

from fraud.policy import ENGINE_VERSION
from storage.logs.log import FLAGS, TRANSACTIONS
from tests.prove.comparing import Comparison
from tests.prove.fleet import ROOT
from tests.prove.holding import Expected, acknowledged, held, told, unacknowledged
from tests.prove.holding_archive import archived
from tests.prove.stage import GROUP, Kill, Stage
from tests.road.results import results_of

FOLDER = ROOT / ".cache" / "prove"
ORACLE_SECONDS = 1_500.0
VERIFY = "fraud replay --verify"
VERIFY_SECONDS = 1_500.0
MOST_TWICE = 0.10
"""Share of published flags that may be repeats."""
CHANGED = "-changed"
"""Mark of a tree that is not as it was committed: what passed in it says nothing of another."""
IN_FLIGHT = 0.05
"""Seconds within which the log may still take what a killed process had sent."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One row of the table."""

    row: str
    seed: int
    scale: float
    rounds: int = 0
    """Faults that really happened."""
    events: int = 0
    flags: int = 0
    lost: int = 0
    extra: int = 0
    different: int = 0
    longest_gap_s: float | None = None
    published_twice: float | None = None
    recovery_p50_s: float | None = None
    recovery_p95_s: float | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: str | None = None
    """Why it could not run here."""
    engine_version: int = ENGINE_VERSION
    commit: str = ""
    started: str = ""
    duration_s: float = 0.0

    @property
    def verdict(self) -> str:
        """pass, fail or skipped; what was found before a row was skipped counts more."""
        if self.failures or self.lost or self.extra or self.different:
            return "fail"
        return "skipped" if self.skipped else "pass"

    def lines(self) -> list[str]:
        """For people."""
        counts = f"{self.rounds} rounds, {self.events:,} events, {self.flags:,} flags"
        wrong = f"{self.lost} lost, {self.extra} extra, {self.different} different"
        said = [f"{self.row}: {self.verdict} in {self.duration_s:.0f} s: {counts}: {wrong}"]
        said += [f"  skipped: {self.skipped}"] if self.skipped else []
        if self.longest_gap_s is not None:
            recovery = f"recovery p50 {self.recovery_p50_s} s, p95 {self.recovery_p95_s} s"
            said.append(f"  longest gap {self.longest_gap_s} s, published twice {self.published_twice}, {recovery}")
        return said + [f"  {note}" for note in self.notes] + [f"  FAILED: {failure}" for failure in self.failures]


def judge(outcome: Outcome, stage: Stage) -> Expected:
    """Hold what is stored against the oracle, once everybody has left; what the oracle expected."""
    out = stage.folder / "expected.json"
    consult(stage.road.settings.log, out)
    expected = Expected(out)
    stored = results_of(stage.road.store, stage.road.log.topic_id(TRANSACTIONS), GROUP)
    comparisons = [*held(expected, stored, stage.road.log), acknowledged(expected, stage.report)]
    if stage.plan.archive:
        comparisons += _archived(outcome, expected, stage)
    outcome.events += expected.messages
    outcome.flags += len(expected.flags)
    weigh(outcome, comparisons)
    outcome.failures += stage.failures + stage.fleet.failures + unacknowledged(stage.report)
    verify(outcome, stage, len(expected.flags))
    outcome.longest_gap_s = max(outcome.longest_gap_s or 0.0, round(stage.progress.longest_gap, 1))
    _weigh_repeats(outcome, stage, len(expected.flags))
    _weigh_recovery(outcome, stage)
    if stored.accounted != expected.messages:
        outcome.failures.append(f"{expected.messages - stored.accounted} messages are not accounted for")
    return expected


def _archived(outcome: Outcome, expected: Expected, stage: Stage) -> list[Comparison]:
    """Nothing where no file can be whole, and none is there: they end every five minutes of the log."""
    comparison = archived(expected, Path(stage.road.settings.data_dir), stage.whole_files)
    if stage.whole_files or comparison.extra:
        return [comparison]
    outcome.notes.append("no end of an archived file lies in the run")
    return []


def verify(outcome: Outcome, stage: Stage, flags: int) -> None:
    """Let the product itself decide everything again; anything but equal, of so many flags and of every record, is a failure."""
    code, said = stage.road.commands.ask("replay", "--verify", "--json", seconds=VERIFY_SECONDS)
    lines, failures = verified(code, said, flags)
    outcome.notes += lines
    outcome.failures += failures


def verified(code: int, said: str, flags: int) -> tuple[list[str], list[str]]:
    """Notes and failures of what `fraud replay --verify --json` printed."""
    try:
        found = json.loads(said)
    except ValueError:
        return [], [f"{VERIFY} ended with {code}: {said.strip()[-2_000:]}"]
    equal = {comparison["what"]: comparison["equal"] for comparison in found["comparisons"]}
    counts = ", ".join(f"{count:,} {what}" for what, count in equal.items())
    undecided = sum(one["not_yet_decided"] for one in found["partitions"])
    wrong = [f"it ended with {code}, not with 0"] if code else []
    wrong += [f"{undecided:,} records are not decided"] if undecided else []
    wrong += [f"{flags:,} flags were expected"] if equal.get("flags") != flags else []
    if not wrong:
        return [f"{VERIFY}: {found['verdict']}, {counts}", *found["pending"]], []
    differing = [f"{one['what']}: {one}" for one in found["comparisons"] if one["examples"]]
    reasons = [f"not verifiable: {one}" for one in found["not_verifiable"]]
    return [], [f"{VERIFY}: {found['verdict']}, {counts} equal: {'; '.join(wrong)}", *differing, *reasons]


def consult(address: str, out: Path) -> None:
    """Ask the oracle, in its own process."""
    command = [sys.executable, "-m", "tests.prove.oracle", address, str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=ORACLE_SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the oracle failed: {done.stderr.strip()[-2_000:]}")


def weigh(outcome: Outcome, comparisons: Sequence[Comparison]) -> None:
    """Count what differs, with examples."""
    for comparison in comparisons:
        outcome.lost += len(comparison.missing)
        outcome.extra += len(comparison.extra)
        outcome.different += len(comparison.different)
        if comparison.is_equal:
            outcome.notes += comparison.lines()
        else:
            outcome.failures += comparison.lines()


def _weigh_repeats(outcome: Outcome, stage: Stage, flags: int) -> None:
    published = sum(1 for _ in told(stage.road.log, FLAGS))
    outcome.published_twice = round((published - flags) / published, 4) if published else 0.0
    if outcome.published_twice > MOST_TWICE:
        outcome.failures.append(f"{outcome.published_twice:.1%} of the published flags are repeats")


def _weigh_recovery(outcome: Outcome, stage: Stage) -> None:
    times = recoveries(stage, stage.kills)
    if len(times) < len(stage.kills):
        unknown = sum(not kill.partitions for kill in stage.kills)
        unmeasured = len(stage.kills) - len(times) - unknown
        outcome.notes.append(
            f"recovery of {len(times):,} of {len(stage.kills):,} kills: "
            f"{unknown:,} held no partition, after {unmeasured:,} none of theirs had a flag"
        )
    if len(times) > 1:
        cuts = quantiles(times, n=20, method="inclusive")
        outcome.recovery_p50_s, outcome.recovery_p95_s = round(cuts[9], 1), round(cuts[18], 1)


def recoveries(stage: Stage, kills: Sequence[Kill]) -> list[float]:
    """Seconds from each kill to the next flag of a partition that the killed one had held, by the log's clock."""
    log = stage.road.log
    flagged: dict[int, list[float]] = {}
    for partition in range(log.partitions(FLAGS)):
        first, end = log.bounds(FLAGS, partition)
        flagged[partition] = [record.received_at / 1e6 for record in log.read(FLAGS, partition, first, end)]
    found = []
    for kill in kills:
        after = [at for partition in kill.partitions for at in flagged[partition] if at > kill.at + IN_FLIGHT]
        if after:
            found.append(min(after) - kill.at)
    return found


def commit_of() -> str:
    """Of the tree, with a mark where it was changed."""
    said = subprocess.run(
        ["git", "describe", "--always", f"--dirty={CHANGED}", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"


def file_of(row: str) -> Path:
    """Where a row's result lies."""
    return FOLDER / f"{row}.json"


def keep(outcome: Outcome) -> None:
    """Write it down."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {**asdict(outcome), "verdict": outcome.verdict}
    file_of(outcome.row).write_text(json.dumps(document, indent=1) + "\n")


def kept(row: str) -> dict[str, Any] | None:
    """What was written down; None without."""
    file = file_of(row)
    found: dict[str, Any] | None = json.loads(file.read_text()) if file.is_file() else None
    return found


def begun(row: str, seed: int, scale: float) -> Outcome:
    """A row that starts now."""
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Outcome(row=row, seed=seed, scale=scale, commit=commit_of(), started=started)
