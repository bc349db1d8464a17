"""`fraud demo`: the whole system on one machine, with nothing but Python; or the same road without a screen, as figures."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cli import demo_live, demo_run
from cli.connect import speak
from cli.settings import Settings
from fraud.errors import UsageError

SMALLEST = 1_000
"""Payments below which a demonstration shows nothing."""


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="No dashboard: run, print figures, leave nothing.")
    ] = False,
    events: Annotated[int, typer.Option(min=SMALLEST, help="With --headless: payments after history.")] = 200_000,
    users: Annotated[int, typer.Option(min=500, help="Simulated cardholders.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Who they are and what they do.")] = 7,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the dashboard, on 127.0.0.1.")] = 8501,
    tps: Annotated[float, typer.Option(min=0.1, help="Live payments per second.")] = 10.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an earlier start made.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --headless: one JSON object.")] = False,
) -> None:
    """Run all of it here: history, model, live payments, dashboard.

    It simulates cardholders, keeps weeks of history, trains a model on it, then judges live payments and shows them.
    Log and store are embedded files under FRAUD_DATA_DIR. Ctrl-C ends it; the next start goes on where it ended.

    Example: fraud demo

    Example: fraud demo --headless --events 200000 --seed 7 --json
    """
    settings = Settings()
    speak(settings)
    if not headless:
        if as_json:
            raise UsageError("--json belongs to --headless: the dashboard shows the rest")
        demo_live.run(settings, users=users, seed=seed, port=port, tps=tps, fresh=fresh)
        return
    with tempfile.TemporaryDirectory(prefix="fraud-demo-") as folder:
        figures = demo_run.run(Path(folder), users=users, seed=seed, events=events, quiet=as_json)
    typer.echo(json.dumps(figures) if as_json else "\n".join(f"{name:<22}{value}" for name, value in figures.items()))
