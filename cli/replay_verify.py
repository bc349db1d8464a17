"""`fraud replay --verify`: a range of the log decided again and held against store and archive; nothing is written."""

import json
from contextlib import closing

import typer

from cli.connect import open_log, open_store, scorer_of
from cli.progress import progress
from cli.settings import Settings
from consumer.asked_ranges import Asked
from consumer.policies import Scorers
from consumer.verification import EXIT_CODES, NOT_VERIFIABLE, Verification
from consumer.verifying import Verifier
from fraud.errors import LogError, UsageError
from storage.archive import Archive


def verify(settings: Settings, asked: Asked, *, with_store: bool, with_archive: bool, as_json: bool) -> int:
    """Print what is equal, what differs and what cannot be said; the exit code. Raises UsageError."""
    _check(asked)
    if not (with_store or with_archive):
        raise UsageError("--no-store and --no-archive leave nothing to compare")
    try:
        found = _verified(settings, asked, with_store=with_store, with_archive=with_archive, quiet=as_json)
    except LogError as error:
        typer.echo(f"fraud: {error}", err=True)
        return EXIT_CODES[NOT_VERIFIABLE]
    typer.echo(json.dumps(found.facts()) if as_json else "\n".join(found.lines()))
    return found.exit_code


def _verified(settings: Settings, asked: Asked, *, with_store: bool, with_archive: bool, quiet: bool) -> Verification:
    with closing(open_log(settings)) as log, closing(open_store(settings)) as store:
        verifier = Verifier(
            source=log,
            group=settings.group,
            scorers=Scorers(lambda model_id: scorer_of(settings, model_id)),
            store=store if with_store else None,
            archive=Archive(settings.data_dir) if with_archive else None,
        )
        wanted = verifier.ranges(asked)
        with progress("Verifying", sum(map(len, wanted)), quiet=quiet) as advance:
            return verifier.verify(wanted, asked, advance)


def _check(asked: Asked) -> None:
    """Refuse ranges that say two things, or nothing."""
    offsets = asked.from_offset is not None or asked.to_offset is not None
    if offsets and (asked.from_offset is None or asked.to_offset is None or len(asked.partitions) != 1):
        raise UsageError("--from-offset and --to-offset come together, with one --partition")
    if offsets and (asked.since or asked.until):
        raise UsageError("say the range by --since and --until, or by --from-offset and --to-offset")
    if asked.from_offset is not None and asked.to_offset is not None and asked.from_offset >= asked.to_offset:
        raise UsageError(f"--to-offset is {asked.to_offset}: expected more than --from-offset, {asked.from_offset}")
    if asked.since and asked.until and asked.since >= asked.until:
        raise UsageError("--until is not after --since")
