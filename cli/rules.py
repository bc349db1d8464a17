"""`fraud rules`: check the rules file, publish it as a policy, describe it to editors."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.published import facts, said
from cli.rules_file import read_rules
from cli.settings import Settings
from fraud.errors import RuleFileError
from fraud.policy import file_hash
from fraud.rule_file import schema
from fraud.rule_set import RuleSet
from storage.policies import publish_rules

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check and publish the rules file.",
    pretty_exceptions_enable=False,
)

File = Annotated[Path | None, typer.Argument(help="The rules file; by default FRAUD_RULES_FILE, config/rules.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")]


@app.command()
def check(file: File = None, as_json: AsJson = False) -> None:
    """Say each rule in words, or each mistake with its line.

    Exits with 2 when there is a mistake.

    Example: fraud rules check config/rules.yaml
    """
    file = file or Settings().rules_file
    try:
        rules, _ = read_rules(file)
    except RuleFileError as error:
        typer.echo(
            json.dumps({"ok": False, "problems": error.problems}, indent=2) if as_json else str(error), err=not as_json
        )
        raise typer.Exit(2) from error
    typer.echo(json.dumps({"ok": True, **_described(rules)}, indent=2) if as_json else "\n".join(rules.in_words()))


@app.command()
def apply(file: File = None, as_json: AsJson = False) -> None:
    """Publish the file as the next policy.

    It rules every payment received 10 seconds later and after.

    Example: fraud rules apply config/rules.yaml
    """
    from cli.connect import open_log  # a second of imports that check and schema, for editors, do without

    settings = Settings()
    file = file or settings.rules_file
    rules, text = read_rules(file)
    # A watcher looks at one file only; applying another one must not make it publish its own again.
    watched = file_hash(text) if file.resolve() == settings.rules_file.resolve() else None
    log = open_log(settings)
    try:
        published = publish_rules(log, rules, watched)
    finally:
        log.close()
    typer.echo(json.dumps(facts(published), indent=2) if as_json else said(published))


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the rules file, for editors.

    Example: fraud rules schema > docs/rules.schema.json
    """
    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


def _described(rules: RuleSet) -> dict[str, object]:
    return {
        "default_currency": rules.default_currency,
        "score": {severity.word: floor for severity, floor in rules.score.floors()},
        "rules": [
            {
                "id": rule.id,
                "kind": rule.kind,
                "severity": rule.severity.word,
                "mode": rule.mode.value,
                "owner": rule.owner,
                "words": rule.in_words(),
            }
            for rule in rules.rules
        ],
    }
