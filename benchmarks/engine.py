"""CPU per payment of decode, windows, rules, model and the whole engine, at several batch sizes: `make bench`.

Payments are the simulated population's, after weeks of history in memory; rules are the shipped ones; the model is trained on
that history. Every figure is process CPU time divided by payments, the best of three passes. A pass works on the same memory.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cli.connect import scorer_of
from cli.demo_road import DemoRoad, settings_in
from cli.demo_run import BEGIN
from cli.rules_file import read_rules
from cli.settings import Settings
from fraud.batch import Batch, Polled
from fraud.decision import micros
from fraud.decoding import Intake, decode
from fraud.engine import Engine, Scorer
from fraud.features import Features
from fraud.policy import Policy
from fraud.windows import Windows, new_outputs
from producer.population import Population
from storage.logs.log import TRANSACTIONS

SIZES = (1, 100, 1_000, 100_000)
PASSES = 3
HISTORY = timedelta(days=42)
INTAKE = Intake(topic=TRANSACTIONS, default_currency="EUR")


def main() -> None:
    """Print one table, or JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--users", type=int, default=3_000)
    arguments.add_argument("--json", action="store_true")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(Path(folder), asked.users)
    if asked.json:
        print(json.dumps(rows))
        return
    names = [name for name in rows[0] if name != "batch"]
    print("CPU us per payment")
    print(f"{'batch':>8}" + "".join(f"{name:>24}" for name in names))
    for row in rows:
        print(f"{row['batch']:>8}" + "".join(f"{row[name]:>24.2f}" for name in names))


def measured(folder: Path, users: int) -> list[dict[str, Any]]:
    """One row per batch size."""
    road = DemoRoad(
        settings=settings_in(folder, Settings()),
        population=Population(seed=7, users=users),
        start=BEGIN,
        end=BEGIN + HISTORY,
    )
    road.write_history(lambda _more: None)
    model = road.train(lambda _more: None)
    scorer = scorer_of(road.settings, model)
    rules, _ = read_rules(road.settings.rules_file)
    policy = Policy(rules=rules, model=model)
    warm = [payment for chunk in road.population.payments(road.start, road.end) for payment in chunk]
    fresh = []
    for chunk in road.population.payments(road.end, road.end + timedelta(days=120)):
        fresh += chunk
        if len(fresh) >= SIZES[-1]:
            break
    encoded = [msgspec.json.encode(payment.transaction) for payment in [*warm, *fresh[: SIZES[-1]]]]
    times = [micros(payment.transaction.event_time) for payment in [*warm, *fresh[: SIZES[-1]]]]
    memory = Windows()
    _advance(memory, decode(_polled(encoded, times, 0, len(warm)), INTAKE).batch)
    return [_row(size, encoded, times, len(warm), memory, policy, scorer) for size in SIZES]


def _row(
    size: int, encoded: list[bytes], times: list[int], first: int, memory: Windows, policy: Policy, scorer: Scorer
) -> dict[str, Any]:
    count = {1: 3_000, 100: 20_000}.get(size, SIZES[-1])
    count = min(count, len(encoded) - first) // size * size or len(encoded) - first
    polls = [_polled(encoded, times, first + at, min(size, count - at)) for at in range(0, count, size)]
    batches = [decode(poll, INTAKE).batch for poll in polls]
    remembered = memory.remembered()

    def restored() -> Windows:
        again = Windows()
        again.restore(remembered)
        return again

    told = restored()
    outputs = [_advance(told, batch) for batch in batches]
    scorers = {scorer.model_id: scorer}
    rules_only = policy.with_model(None)

    def engine() -> Engine:
        return Engine(windows_by_partition={0: restored()})

    def features() -> list[Features]:
        return [Features(batch, out) for batch, out in zip(batches, outputs, strict=True)]

    return {
        "batch": size,
        "decode": _cpu(lambda: polls, lambda poll: decode(poll, INTAKE), count),
        "windows": _cpu_with(restored, batches, _advance, count),
        "rules": _cpu(
            lambda: list(zip(batches, features(), strict=True)),
            lambda pair: [rule.check(pair[0], pair[1]) for rule in policy.rules.judging],
            count,
        ),
        "model": _cpu(features, scorer.score, count),
        "engine without model": _cpu_with(engine, batches, lambda one, batch: one.decide(batch, rules_only, {}), count),
        "engine": _cpu_with(engine, batches, lambda one, batch: one.decide(batch, policy, scorers), count),
    }


def _cpu(prepare: Callable[[], list[Any]], work: Callable[[Any], Any], count: int) -> float:
    best = float("inf")
    for _ in range(PASSES):
        items = prepare()
        started = time.process_time()
        for item in items:
            work(item)
        best = min(best, time.process_time() - started)
    return best / count * 1e6


def _cpu_with(make: Callable[[], Any], items: list[Any], work: Callable[[Any, Any], Any], count: int) -> float:
    best = float("inf")
    for _ in range(PASSES):
        state = make()
        started = time.process_time()
        for item in items:
            work(state, item)
        best = min(best, time.process_time() - started)
    return best / count * 1e6


def _advance(memory: Windows, batch: Batch) -> Any:
    out, newest = new_outputs(len(batch)), np.zeros(len(batch), np.int64)
    memory.advance(batch, np.arange(len(batch)), out, newest)
    return out


def _polled(encoded: list[bytes], times: list[int], first: int, count: int) -> Polled:
    return Polled(
        partition=np.zeros(count, np.int64),
        offset=np.arange(first, first + count, dtype=np.int64),
        received_at=np.maximum.accumulate(np.array(times[first : first + count], np.int64)),
        values=encoded[first : first + count],
    )


if __name__ == "__main__":
    main()
