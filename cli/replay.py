"""`fraud replay`: go over records of the log again."""

from pathlib import Path
from typing import Annotated

import typer

from cli.connect import speak
from cli.replay_dead_letters import replay_dead_letters
from cli.settings import Settings
from fraud.errors import UsageError


def replay(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="With --dlq: dead letters as exported, and edited.")
    ] = None,
    dlq: Annotated[bool, typer.Option("--dlq", help="Send dead letters to the topic of payments again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Send dead letters again: the lines of FILE, or without FILE all of the log that decode under the latest policy.

    Not sent, and counted: what still does not decode, what was masked or truncated, and unchanged `id_conflict` and
    `unencodable` letters, which would come to nothing. Sending a letter twice is safe: the second counts as a duplicate.
    Exits with 0 when all were sent, with 1 when some could not be.

    Example: fraud replay --dlq F.jsonl

    Example: fraud replay --dlq --dry-run
    """
    chosen = [name for name, is_chosen in {"--dlq": dlq}.items() if is_chosen]
    if len(chosen) != 1:
        raise UsageError("say what to replay: fraud replay --dlq, or fraud replay --dlq F.jsonl")
    settings = Settings()
    speak(settings)
    if not replay_dead_letters(settings, file, dry_run=dry_run, as_json=as_json):
        raise typer.Exit(1)
