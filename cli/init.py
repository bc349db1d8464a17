"""`fraud init`: topics, store, and the first policy. Safe to repeat."""

from typing import Annotated

import typer

from cli.connect import open_log, open_store, topics
from cli.rules_file import read_rules
from cli.settings import Settings
from cli.waiting import until_up
from fraud.policy import Policy, file_hash
from storage.logs.log import TRANSACTIONS, Log
from storage.policies import publish


def init(
    wait: Annotated[float, typer.Option(help="Seconds to wait for log and store to come up.", min=0)] = 0.0,
) -> None:
    """Create topics, prepare the store, publish the first policy.

    The policy has the rules of FRAUD_RULES_FILE and no model. What exists is left as it is.

    Example: fraud init --wait 120
    """
    settings = Settings()
    rules, text = read_rules(settings.rules_file)
    log, store = open_log(settings), open_store(settings)
    until_up(lambda: log.create(topics(settings)), wait)
    typer.echo(f"log: {len(topics(settings))} topics at {settings.log}")
    partitions = log.partitions(TRANSACTIONS)
    if partitions != settings.partitions:
        typer.echo(
            f"     {TRANSACTIONS} has {partitions} partitions and keeps them; FRAUD_PARTITIONS={settings.partitions} is not applied"
        )
    until_up(store.prepare, wait)
    typer.echo("store: ready")
    typer.echo(f"policy: {first_policy(log, Policy(rules=rules, watched_file=file_hash(text)))}")
    store.close()
    log.close()


def first_policy(log: Log, first: Policy) -> str:
    """Publish it unless the log has one; says which."""
    published = publish(log, lambda current: first if current is None else current)
    if not published.is_new:
        return f"{published.policy.hash[:12]} is already there"
    delay = published.policy.delay.total_seconds()
    return f"{published.policy.hash[:12]} published at offset {published.offset}, in effect {delay:.0f} s later"
