"""`fraud export`: dead letters as a file that a person can edit."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from cli.connect import open_log
from cli.progress import progress
from cli.quantities import instant
from cli.settings import Settings
from consumer.letter_lines import line_of
from consumer.letters import Letter, Reading, Selection, count_records, read_letters
from fraud.dead_letters import Reason
from fraud.decision import micros
from fraud.errors import UsageError
from storage.logs.log import DEAD_LETTERS
from storage.whole_file import whole_file


@dataclass(slots=True, kw_only=True)
class Written:
    """What is in the file."""

    letters: int = 0
    left_out: int = 0
    """Not selected."""
    masked: int = 0
    truncated: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)


def export(
    dead_letters: Annotated[
        Path | None, typer.Option("--dead-letters", metavar="FILE", help="Write dead letters here, one JSON a line.")
    ] = None,
    reason: Annotated[
        list[Reason] | None, typer.Option(metavar="REASON", help="Only this one, such as schema; may be repeated.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only received then or later: 2026-03-02, or with a time (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only received before.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE, and what was edited in it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts as one JSON object instead of lines.")] = False,
) -> None:
    """Write the dead letters of the log to a file, to be mended.

    Each is written once; `fraud replay --dlq FILE` sends them again.

    Edit `payload`: it is the record as text (`payload_base64` where it is no text), and may become a JSON object instead.
    Card data stays masked; such a letter cannot be replayed. FILE appears only once it is whole.

    Example: fraud export --dead-letters F.jsonl --reason schema --since 2026-03-02
    """
    if dead_letters is None:
        raise UsageError("say what to export and where to: fraud export --dead-letters F.jsonl")
    selection = Selection(
        reasons=frozenset(reason or Reason),
        since=micros(instant(since, "--since")) if since else None,
        until=micros(instant(until, "--until")) if until else None,
    )
    reading = Reading()
    with whole_file(dead_letters, overwrite=overwrite) as file:
        written = _export(Settings(), selection, reading, file, quiet=as_json)
    typer.echo(_facts(dead_letters, reading, written) if as_json else "\n".join(_lines(dead_letters, reading, written)))


def _export(settings: Settings, selection: Selection, reading: Reading, file: BinaryIO, *, quiet: bool) -> Written:
    log = open_log(settings)
    try:
        with progress("Reading dead letters", count_records(log), quiet=quiet) as advance:
            return _write(read_letters(log, reading, advance), selection, file)
    finally:
        log.close()


def _write(letters: Iterable[Letter], selection: Selection, file: BinaryIO) -> Written:
    written = Written()
    for letter in letters:
        if not selection.takes(letter.dead):
            written.left_out += 1
            continue
        file.write(line_of(letter))
        written.letters += 1
        written.masked += letter.dead.masked
        written.truncated += letter.dead.truncated
        written.by_reason[letter.dead.reason.value] += 1
    return written


def _facts(path: Path, reading: Reading, written: Written) -> str:
    return json.dumps(
        {
            "file": str(path),
            "read": reading.records,
            "letters": written.letters,
            "repeats": reading.repeats,
            "left_out": written.left_out,
            "unreadable": reading.unreadable,
            "masked": written.masked,
            "truncated": written.truncated,
            "by_reason": dict(written.by_reason.most_common()),
        }
    )


def _lines(path: Path, reading: Reading, written: Written) -> list[str]:
    lines = [f"{written.letters:,} dead letters in {path}"]
    lines += [f"  {reason:<17} {count:>9,}" for reason, count in written.by_reason.most_common()]
    said = [
        (written.masked, "masked: they cannot be replayed, send those payments again from their source"),
        (written.truncated, "truncated: they cannot be replayed either"),
        (written.left_out, "not selected"),
        (reading.repeats, "repeats, each letter is written once"),
        (reading.unreadable, f"records of {DEAD_LETTERS} are no dead letters of this release, passed over"),
    ]
    lines += [f"{count:,} {words}" for count, words in said if count]
    if not reading.records:
        return [*lines, f"{DEAD_LETTERS} is empty: nothing was refused"]
    if not written.letters:
        return [*lines, "nothing to mend; without --reason, --since and --until the file holds every dead letter"]
    return [*lines, f"next: edit the payloads, then fraud replay --dlq {path}"]
