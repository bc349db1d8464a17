"""`fraud train`: a model from Parquet history and its labels, with honest figures, into `objects/` and perhaps into the policy."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli import published as publishing
from cli.connect import open_log
from cli.progress import progress
from cli.quantities import duration
from cli.rules_file import read_rules
from cli.settings import Settings
from fraud.errors import UsageError
from models import point_in_time
from models.calibrating import Method
from models.point_in_time import Sight
from models.promotion import promote as put_in_force
from models.train import DEFAULTS, TrainedModel, train_and_save
from storage.policies import Published


def train(
    data_dir: Annotated[
        str | None, typer.Option(help="Folder with historical/ and labels/; FRAUD_DATA_DIR by default.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="Know only what was known then: 2025-12-31, or with a time. By default the last payment's."),
    ] = None,
    maturity: Annotated[str, typer.Option(help="After this long without a report a payment is legitimate.")] = "60d",
    warm_up: Annotated[
        str, typer.Option(help="Payments this early only build memory; a quarter of the history at most.")
    ] = "30d",
    trees: Annotated[int, typer.Option(min=1, max=2_000, help="How many trees.")] = DEFAULTS.trees,
    calibration: Annotated[Method, typer.Option(help="How scores become probabilities.")] = DEFAULTS.calibration,
    seed: Annotated[int, typer.Option(min=0, help="Same data and seed: same model id.")] = DEFAULTS.seed,
    threads: Annotated[
        int, typer.Option(min=1, help="More are faster, but may add up in another order: another model id.")
    ] = DEFAULTS.threads,
    promote: Annotated[
        bool, typer.Option("--promote/--no-promote", help="Publish a policy that names the new model.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The model card as JSON instead of lines.")] = False,
) -> None:
    """Train a model on Parquet history, and say how good it is.

    Trees see the oldest payments, calibration later ones; figures come from the last.

    Example: fraud train --as-of 2025-12-31 --maturity 60d --promote
    """
    settings = Settings()
    folder = data_dir or settings.data_dir
    rules, _ = read_rules(settings.rules_file)  # which currency is meant where none is given, which merchants move
    sight = Sight(
        as_of=_moment(as_of) if as_of else point_in_time.end_of_history(folder),
        maturity=duration(maturity, "--maturity"),
        warm_up=duration(warm_up, "--warm-up"),
        default_currency=rules.default_currency,
        moving=rules.moving,
    )
    chosen = replace(DEFAULTS, trees=trees, calibration=calibration, seed=seed, threads=threads)
    with progress("Reading history", point_in_time.count_history(folder), quiet=as_json) as advance:
        data = point_in_time.load(folder, sight, advance)
    with progress("Growing trees", quiet=as_json):
        trained = train_and_save(folder, data, sight, chosen)
    published = _promote(settings, folder, trained) if promote else None
    typer.echo(_facts(trained, published) if as_json else "\n".join(_lines(trained, published)))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--as-of is {text!r}: expected a day such as 2025-12-31, or 2025-12-31T18:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _promote(settings: Settings, data_dir: str, trained: TrainedModel) -> Published:
    log = open_log(settings)
    try:
        return put_in_force(log, data_dir, trained.model.model_id)
    finally:
        log.close()


def _facts(trained: TrainedModel, published: Published | None) -> str:
    return json.dumps({**trained.card, "promoted": publishing.facts(published) if published else None}, indent=2)


def _lines(trained: TrainedModel, published: Published | None) -> list[str]:
    card, metrics = trained.card, trained.card["metrics"]
    lines = [
        f"model {trained.model.model_id}",
        *(f"{_named(name):<22}{_slice(part)}" for name, part in card["slices"].items()),
        f"average precision     {metrics['average_precision']:.3f} (amount alone {_figure(metrics['average_precision_of_amount_alone'])})",
        f"card precision@100    {metrics['card_precision_100']:.3f} of {metrics['card_precision_100_ceiling']:.3f} possible",
        f"AUC                   {_figure(metrics['auc'])}",
        f"calibration           said {metrics['mean_score']:.3%}, seen {metrics['fraud_share']:.3%}",
    ]
    if published:
        return [*lines, publishing.said(published)]
    return [*lines, f"not in force yet: fraud model promote {trained.model.model_id}"]


def _named(slice_: str) -> str:
    return {"train": "trees saw", "calibrate": "calibrated on", "test": "measured on"}[slice_]


def _slice(part: dict[str, Any]) -> str:
    return f"{part['payments']:,} payments, {part['frauds']:,} frauds, {part['from'][:10]} to {part['to'][:10]}"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
