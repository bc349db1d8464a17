"""`fraud history`: years of simulated payments and labels as Parquet."""

import json
import time
from typing import Annotated

import typer

from cli.progress import progress
from cli.quantities import count, month, share
from cli.settings import Settings
from fraud.errors import UsageError
from producer.history import month_span, users_for, write_history
from producer.population import Population


def history(
    first: Annotated[str, typer.Option("--from", metavar="MONTH", help="First month, such as 2024-01.")],
    last: Annotated[str, typer.Option("--to", metavar="MONTH", help="Last month, included.")],
    transactions: Annotated[str, typer.Option(metavar="N", help="About how many payments: 200k, 2M.")] = "2M",
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Folder or URL; default: the data folder.")] = None,
    users: Annotated[
        int | None, typer.Option(min=1, help="How many users; default: as many as --transactions needs.")
    ] = None,
    fraud: Annotated[str, typer.Option("--fraud", metavar="SHARE", help="Share of payments that are fraud.")] = "0.4%",
    seed: Annotated[int, typer.Option(help="The same seed and users give the same bytes, month by month.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a line.")] = False,
) -> None:
    """Write simulated history, and what was reported of it.

    Payments lie under historical/; what was reported of them, and when, under labels/.

    A month depends on the seed and the users alone: with --users, one month written again is the same, byte for byte.

    Example: fraud history --from 2024-01 --to 2025-12 --transactions 2M --out storage
    """
    start, end = month(first, "--from"), month_span(*_year_month(last))[1]
    if start >= end:
        raise UsageError(f"--to {last} lies before --from {first}")
    root = out or Settings().data_dir
    started = time.monotonic()
    fraud_share = share(fraud, "--fraud")
    people = users or users_for(seed, fraud_share, start, end, count(transactions, "--transactions"))
    population = Population(seed=seed, users=people, fraud_share=fraud_share)
    with progress("history", count(transactions, "--transactions") if users is None else None) as advance:
        written = write_history(population, start, end, root, advance)
    seconds = time.monotonic() - started
    if as_json:
        facts = {"transactions": written, "users": people, "seed": seed, "out": root, "seconds": round(seconds, 2)}
        typer.echo(json.dumps(facts))
    else:
        typer.echo(f"{written:,} payments of {people:,} users, {first} to {last}, in {root} ({seconds:.0f} s)")


def _year_month(text: str) -> tuple[int, int]:
    found = month(text, "--to")
    return found.year, found.month
