"""The same log in other cuts: byte-identical flags, minutes and dead letters, whatever the polls hold, under rules and a model.

`python -m tests.prove.cuts` prints the digest of every cut and ends with 3 where they differ. Append times go back now and
then, as a broker's clock may, and a policy takes effect in the middle.
"""

import dataclasses
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import typer

from consumer.deciding import Answer, Decider
from consumer.partition_state import PartitionState
from fraud.batch import Polled
from fraud.decision import micros
from fraud.engine import Scorer
from fraud.features import MODEL_FEATURES
from fraud.policy import DELAY, Policy, encode
from fraud.rule_file import rule_set_of
from fraud.timeline import PolicyTimeline
from models.scorer import TreeScorer
from models.train import Settings, train
from tests.models.synthetic import training_set
from tests.prove.payments import Message, Traffic

RULES: Final = Path(__file__).with_name("rules.yaml")
UNTIL: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP: Final = 250_000
"""Microseconds of append time between two messages."""
FAILED: Final = 3
SIZES: Final = (7, 50, 1_000)
MESSAGES: Final = 8_000
BACK: Final = 400_000
"""Every so often an append time lies this far before its neighbours', microseconds."""


def scorer() -> Scorer:
    """A small model over a few features, made from made-up payments."""
    made = train(dataclasses.replace(training_set(rows=2_000), features=MODEL_FEATURES[:5]), Settings(trees=5))
    return TreeScorer(made.model)


def timeline_of(model_id: str, begin: int, count: int) -> PolicyTimeline:
    """Rules alone soon after the beginning, a stricter policy with the model in the middle."""
    text = RULES.read_text(encoding="utf-8")
    first = Policy(rules=rule_set_of(text, "rules.yaml"))
    second = first.with_rules(rule_set_of(text.replace("EUR: 1000", "EUR: 120"), "rules.yaml")).with_model(model_id)
    delay = DELAY // timedelta(microseconds=1)
    timeline = PolicyTimeline()
    timeline.add(0, begin + 100 * STEP - delay, encode(first))
    timeline.add(1, begin + count // 2 * STEP - delay, encode(second.rebased(0)))
    return timeline


def polls(messages: Sequence[Message], begin: int, size: int) -> Iterator[Polled]:
    """The messages as one partition, so many at a time."""
    times = begin + np.arange(len(messages), dtype=np.int64) * STEP
    times[::11] -= BACK
    for first in range(0, len(messages), size):
        some = messages[first : first + size]
        yield Polled(
            partition=np.zeros(len(some), np.int64),
            offset=np.arange(first, first + len(some), dtype=np.int64),
            received_at=times[first : first + len(some)],
            values=[value for _key, value in some],
        )


def digest(messages: Sequence[Message], scorers: Mapping[str, Scorer], size: int) -> tuple[str, int]:
    """sha256 over all that one cut gives, and how many flags that is."""
    begin = micros(UNTIL)
    (model_id,) = scorers
    decider = Decider(
        log_id="log",
        group="cuts",
        timeline=timeline_of(model_id, begin, len(messages)),
        scorers=scorers,
        now=lambda: UNTIL,
        states={0: PartitionState(0)},
    )
    answers = [decider.decide(poll) for poll in polls(messages, begin, size)]
    return _digest(answers), sum(len(answer.flags) for answer in answers)


def _digest(answers: Sequence[Answer]) -> str:
    """Flags and dead letters in the order of the log, and the last value of every minute."""
    flags = [flag.json for answer in answers for flag in answer.flags]
    letters = [letter for answer in answers for letter in answer.dead]
    minutes = {minute.minute: minute for answer in answers for minute in answer.minutes}
    by_time = [minutes[at] for at in sorted(minutes)]
    letters.sort(key=lambda letter: letter.offset)
    return hashlib.sha256(b"".join(flags) + msgspec.json.encode([letters, by_time], order="sorted")).hexdigest()


def main() -> int:
    """Try every size; 0 when all cuts give the same."""
    model = scorer()
    messages = list(Traffic(seed=11, count=MESSAGES, until=UNTIL).messages())
    found = {size: digest(messages, {model.model_id: model}, size) for size in SIZES}
    for size, (sha256, flags) in found.items():
        typer.echo(f"polls of {size}: {flags} flags, {sha256}")
    return 0 if len(set(found.values())) == 1 else FAILED


if __name__ == "__main__":
    sys.exit(main())
