"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_EVERY = 5.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def progress(title: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Show how far a piece of work is; yields a function that takes how much more is done. Written to standard error."""
    if quiet:
        yield lambda _more: None
    elif sys.stderr.isatty():
        with _bar(title, total) as advance:
            yield advance
    else:
        yield from _lines(title, total)


@contextmanager
def _bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=total)
        yield lambda more: shown.advance(task, more)
        shown.update(task, total=total or shown.tasks[0].completed, completed=total or shown.tasks[0].completed)


def _lines(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    started = said_at = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, said_at
        done += more
        if time.monotonic() - said_at >= LINE_EVERY:
            said_at = time.monotonic()
            typer.echo(f"{title}: {done:,}" + (f" of {total:,}" if total else ""), err=True)

    yield advance
    amount = f"{done:,}, " if done else ""
    typer.echo(f"{title}: {amount}{time.monotonic() - started:.1f} s", err=True)
