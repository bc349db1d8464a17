"""`fraud policy`: which policy is in force, since when, and what never took effect; and its way to another release."""

import json
import time
from typing import Annotated

import typer

from cli.connect import open_log
from cli.published import facts, said
from cli.settings import Settings
from fraud.decision import moment
from fraud.timeline import PolicyTimeline
from storage.policies import hand_over, read_timeline

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look at the policies in the log.", pretty_exceptions_enable=False
)


@app.callback()
def policy() -> None:
    """Look at the policies in the log."""


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False) -> None:
    """Show the policy in force and the next, and void records.

    Example: fraud policy show --json
    """
    log = open_log(Settings())
    try:
        timeline = read_timeline(log)
    finally:
        log.close()
    now = time.time_ns() // 1000
    typer.echo(json.dumps(_facts(timeline, now), indent=2) if as_json else "\n".join(_lines(timeline, now)))


@app.command("hand-over")
def hand_over_policy(
    from_engine: Annotated[
        int, typer.Option(help="Engine version of the policy in force, as `fraud policy show` says.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Publish the last policy for the engine of this release.

    Consumers of the other release leave when it takes effect.

    Example: fraud policy hand-over --from-engine 1
    """
    log = open_log(Settings())
    try:
        published = hand_over(log, from_engine)
    finally:
        log.close()
    typer.echo(json.dumps(facts(published), indent=2) if as_json else said(published))


def _facts(timeline: PolicyTimeline, now: int) -> dict[str, object]:
    in_force = timeline.index_at(now)
    return {
        "in_force": _entry(timeline, in_force) if in_force >= 0 else None,
        "waiting": [_entry(timeline, index) for index in range(in_force + 1, len(timeline))],
        "voids": [{"offset": void.offset, "reason": void.reason} for void in timeline.voids],
    }


def _entry(timeline: PolicyTimeline, index: int) -> dict[str, object]:
    policy = timeline.policies[index]
    return {
        "offset": timeline.offsets[index],
        "hash": policy.hash,
        "effective_from": moment(int(timeline.effective_from[index])).isoformat(),
        "engine_version": policy.engine_version,
        "model": policy.model,
        "label_memory": policy.label_memory,
        "watched_file": policy.watched_file,
        "rules": policy.rules.model_dump(mode="json"),
    }


def _lines(timeline: PolicyTimeline, now: int) -> list[str]:
    in_force = timeline.index_at(now)
    lines = (
        ["no policy is in force yet: payments are counted, not decided"] if in_force < 0 else _said(timeline, in_force)
    )
    for index in range(in_force + 1, len(timeline)):
        lines.append(f"waiting   {_name(timeline, index)}, from {_moment(timeline, index)}")
    return lines + [f"void      offset {void.offset}: {void.reason}" for void in timeline.voids]


def _said(timeline: PolicyTimeline, index: int) -> list[str]:
    policy = timeline.policies[index]
    return [
        f"in force  {_name(timeline, index)}, since {_moment(timeline, index)}",
        f"engine    version {policy.engine_version}",
        f"model     {policy.model or 'none: rules alone'}",
        *(f"decides   {line}" for line in policy.rules.in_words()),
    ]


def _name(timeline: PolicyTimeline, index: int) -> str:
    return f"policy {timeline.policies[index].hash[:12]} at offset {timeline.offsets[index]}"


def _moment(timeline: PolicyTimeline, index: int) -> str:
    return f"{moment(int(timeline.effective_from[index])):%Y-%m-%d %H:%M:%S} UTC"
