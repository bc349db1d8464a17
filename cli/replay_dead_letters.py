"""`fraud replay --dlq`: dead letters of a file or of the log, sent again as far as they decode."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer

from cli.connect import open_log
from cli.progress import progress
from cli.settings import Settings
from consumer.letter_lines import read_lines
from consumer.letters import Reading, count_records, read_letters
from consumer.resending import Candidate, Refusal, Resent, Unfit, candidate_of, intake_of, resend
from fraud.errors import UsageError
from storage.logs.log import DEAD_LETTERS, TRANSACTIONS, Log
from storage.policies import read_timeline

_TOLD_EVERY = 500


def replay_dead_letters(settings: Settings, file: Path | None, *, dry_run: bool, as_json: bool) -> bool:
    """Send what can be sent and say the rest; whether it was all. Raises UsageError for a file that cannot be read."""
    refusals: list[Refusal] = []
    named = refusals.append if file else lambda _refusal: None
    with ExitStack() as stack:
        lines = stack.enter_context(_opened(file)) if file else None
        log = open_log(settings)
        stack.callback(log.close)
        intake = intake_of(read_timeline(log).latest)
        asked = stack.enter_context(_asked(log, lines, quiet=as_json))
        send = stack.enter_context(_sending(log, dry_run=dry_run))
        resent = resend(asked, intake, lambda: time.time_ns() // 1000, send, named)
    typer.echo(_facts(resent, refusals, file, dry_run) if as_json else "\n".join(_lines(resent, file, dry_run)))
    for refusal in refusals if not as_json else ():
        typer.echo(f"{file}: {refusal.place}: {refusal.reason}: {refusal.detail}", err=True)
    return not resent.refused


@contextmanager
def _opened(file: Path) -> Iterator[Iterable[bytes]]:
    try:
        with file.open("rb") as lines:
            yield lines
    except OSError as error:
        if error.filename != str(file):
            raise
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


@contextmanager
def _asked(log: Log, lines: Iterable[bytes] | None, *, quiet: bool) -> Iterator[Iterable[Candidate | Refusal]]:
    """Letters of a file, or else of the log, with progress."""
    if lines is not None:
        with progress("Reading lines", quiet=quiet) as advance:
            yield _told(read_lines(lines), advance)
    else:
        with progress("Reading dead letters", count_records(log), quiet=quiet) as advance:
            yield map(candidate_of, read_letters(log, Reading(), advance))


def _told(letters: Iterable[Candidate | Refusal], advance: Callable[[int], None]) -> Iterator[Candidate | Refusal]:
    count = 0
    for count, letter in enumerate(letters, 1):
        yield letter
        if count % _TOLD_EVERY == 0:
            advance(_TOLD_EVERY)
    advance(count % _TOLD_EVERY)


@contextmanager
def _sending(log: Log, *, dry_run: bool) -> Iterator[Callable[[bytes, bytes], None]]:
    """To the topic of payments; all of it is acknowledged when the block ends."""
    if dry_run:
        yield lambda _key, _value: None
        return
    publisher = log.publisher()
    try:
        yield lambda key, value: publisher.send(TRANSACTIONS, key, value)
    finally:
        publisher.close()


def _facts(resent: Resent, refusals: Iterable[Refusal], file: Path | None, dry_run: bool) -> str:
    facts: dict[str, object] = {
        "read": resent.read,
        "sent": 0 if dry_run else resent.sent,
        "still_refused": _still_refused(resent),
        **{str(unfit): resent.refused[unfit] for unfit in Unfit},
    }
    if dry_run:
        facts["would_send"] = resent.sent
    if file:
        facts["refusals"] = [
            {"place": refusal.place, "reason": refusal.reason, "detail": refusal.detail} for refusal in refusals
        ]
    return json.dumps(facts)


def _lines(resent: Resent, file: Path | None, dry_run: bool) -> Iterator[str]:
    if not resent.read:
        yield f"{file or DEAD_LETTERS} holds no dead letters: nothing to send"
        return
    yield f"{resent.read:,} dead letters read, {resent.sent:,} {'would be ' if dry_run else ''}sent to {TRANSACTIONS}"
    for reason, count in _still_refused(resent).items():
        yield f"  still refused: {reason:<17} {count:>9,}"
    for unfit, words in _UNFIT.items():
        if resent.refused[unfit]:
            yield f"  {words:<32} {resent.refused[unfit]:>9,}"
    if resent.refused and file is None:
        yield "next: fraud export --dead-letters F.jsonl, edit the payloads, then fraud replay --dlq F.jsonl"


_UNFIT = {
    Unfit.MASKED: "masked, cannot be replayed:",
    Unfit.TRUNCATED: "truncated, cannot be replayed:",
    Unfit.BROKEN_LINE: "broken lines:",
}


def _still_refused(resent: Resent) -> dict[str, int]:
    return {reason: count for reason, count in resent.refused.most_common() if reason not in set(Unfit)}
