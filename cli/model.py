"""`fraud model`: put a trained model in force, or take it back."""

import json
import re
from typing import Annotated

import typer

from cli.connect import open_log
from cli.published import facts, said
from cli.settings import Settings
from fraud.errors import UsageError
from models import promotion
from storage.policies import Published

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Put a trained model in force, or take it back.",
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")]


@app.command()
def promote(
    model_id: Annotated[str, typer.Argument(help="The id that `fraud train` printed: 64 hexadecimal digits.")],
    as_json: AsJson = False,
) -> None:
    """Publish a policy that names a stored model.

    Everything else of the policy stays.

    Example: fraud model promote 3f0c…e1
    """
    settings = Settings()
    log = open_log(settings)
    try:
        published = promotion.promote(log, settings.data_dir, _whole(model_id))
    finally:
        log.close()
    typer.echo(report(published, as_json=as_json))


@app.command()
def rollback(as_json: AsJson = False) -> None:
    """Publish a policy with the model before the present one.

    Before the first one there are rules alone.

    Example: fraud model rollback
    """
    settings = Settings()
    log = open_log(settings)
    try:
        published = promotion.rollback(log, settings.data_dir)
    finally:
        log.close()
    typer.echo(report(published, as_json=as_json))


def report(published: Published, *, as_json: bool) -> str:
    """What was published, with a warning where no score can flag."""
    policy = published.policy
    if as_json:
        return json.dumps({**facts(published), "model": policy.model}, indent=2)
    lines = [f"model {policy.model or 'none: rules alone'}", said(published)]
    if policy.model and policy.bands.lowest is None:
        lines.append("no score flags yet: the rules file in force has no `score:` bands")
    return "\n".join(lines)


def _whole(model_id: str) -> str:
    """The id as it is. Raises UsageError for what can be none, such as the few digits that a page shows."""
    if not re.fullmatch(r"[0-9a-f]{64}", model_id):
        raise UsageError(f"{model_id!r} is no model id: `fraud train` prints it, 64 hexadecimal digits")
    return model_id
