"""`fraud replay`: go over records of the log again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.connect import speak
from cli.quantities import moment_or_ago
from cli.replay_dead_letters import replay_dead_letters
from cli.replay_verify import verify as verify_log
from cli.settings import Settings
from consumer.asked_ranges import Asked
from fraud.errors import UsageError

_WITH_VERIFY = "With --verify: "


def replay(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="With --dlq: dead letters as exported, and edited.")
    ] = None,
    dlq: Annotated[bool, typer.Option("--dlq", help="Send dead letters to the topic of payments again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --dlq: say what would be sent, and send nothing.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Decide again and compare with what is stored; writes nothing.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help=_WITH_VERIFY + "received then or later; also 24h, before now.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help=_WITH_VERIFY + "received before.")] = None,
    partition: Annotated[
        list[int] | None, typer.Option(metavar="N", min=0, help=_WITH_VERIFY + "only this one; may be repeated.")
    ] = None,
    from_offset: Annotated[
        int | None, typer.Option(metavar="N", min=0, help=_WITH_VERIFY + "from this offset of one --partition")
    ] = None,
    to_offset: Annotated[
        int | None, typer.Option(metavar="N", min=0, help=_WITH_VERIFY + "up to and without this offset.")
    ] = None,
    store: Annotated[bool, typer.Option(help=_WITH_VERIFY + "look at the flag store.")] = True,
    archive: Annotated[bool, typer.Option(help=_WITH_VERIFY + "look at the archive of decisions.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Send dead letters again, or verify what is stored.

    --dlq takes the lines of FILE, or without FILE all of the log that decode under the latest policy. Not sent, and counted: what
    still does not decode, what was masked or truncated, and unchanged `id_conflict` and `unencodable` letters, which would come to
    nothing. Sending a letter twice is safe: the second counts as a duplicate. Exits with 0 when all were sent, with 1 when some
    could not be.

    --verify decides a range of the log again and compares: everything that the group has committed, or a part of it. Exits with 0
    when all is equal, with 1 when anything is missing, extra or different, with 2 when nothing is, but something cannot be verified.

    Example: fraud replay --dlq F.jsonl

    Example: fraud replay --verify --since 24h
    """
    chosen = [name for name, is_chosen in {"--dlq": dlq, "--verify": verify}.items() if is_chosen]
    if len(chosen) != 1:
        raise UsageError("say what to replay: fraud replay --dlq, fraud replay --dlq F.jsonl, or fraud replay --verify")
    limits = (since, until, partition, from_offset, to_offset)
    if verify and (file or dry_run):
        raise UsageError("FILE and --dry-run belong to --dlq, not to --verify")
    if dlq and (any(limit is not None for limit in limits) or not (store and archive)):
        raise UsageError("a range, --no-store and --no-archive belong to --verify, not to --dlq")
    settings = Settings()
    speak(settings)
    if dlq:
        code = 0 if replay_dead_letters(settings, file, dry_run=dry_run, as_json=as_json) else 1
    else:
        now = datetime.now(UTC)
        asked = Asked(
            partitions=tuple(partition or ()),
            since=moment_or_ago(since, "--since", now) if since is not None else None,
            until=moment_or_ago(until, "--until", now) if until is not None else None,
            from_offset=from_offset,
            to_offset=to_offset,
        )
        code = verify_log(settings, asked, with_store=store, with_archive=archive, as_json=as_json)
    if code:
        raise typer.Exit(code)
