"""The road on real parts: the first days of the Handbook file through Kafka, two consumers, an archive and a rules change.

`make road HANDBOOK=handbook_raw.parquet` starts a broker and a server that speaks MongoDB's wire protocol, runs the product's
own commands between them, prints what became of every message, and holds every flag and minute counter against those of one
consumer on an embedded log that holds a copy of Kafka's. Then `fraud replay --verify` looks at store and archive, again once both
were tampered with, and for a range that Kafka has lost. Exit code 0 only where all are equal, and it says each of these.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from tests.road import verified_road
from tests.road.again import decide_again, imported, payments_by_policy, records_in, span
from tests.road.kafka_road import KafkaRoad, kafka_road
from tests.road.picture import serving, take_picture
from tests.road.results import Results, differences
from tests.road.summary import Flow, summary
from tests.road.whole_files import send_what_ends_files, wait_for_whole_files
from tests.services import kafka, mongo_wire

ROOT = Path(__file__).parents[2]
RULES = Path(__file__).with_name("rules.yaml")
MAPPING = ROOT / "config" / "mappings" / "handbook.yaml"
GROUP = "road"
STRICTER = ("EUR: 185", "EUR: 170")
"""What the change in the middle makes of the rules file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command line."""

    handbook: Path
    days: str
    speedup: str
    dashboard: int | None
    picture: Path | None
    keep: float


def main() -> int:
    """Run it; the exit code."""
    asked = _asked()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="road-")))
        for name in ("kafka", "mongo", "work"):
            (folder / name).mkdir()
        broker = stack.enter_context(kafka.running(folder / "kafka"))
        server = stack.enter_context(mongo_wire.running(folder / "mongo"))
        store = f"{server.url}/fraud"
        road = stack.enter_context(
            kafka_road(folder / "work", bootstrap=broker.bootstrap, store=store, rules=RULES, group=GROUP)
        )
        flow = _travel(road, asked)
        if asked.dashboard or asked.picture:
            url = stack.enter_context(serving(road.commands, asked.dashboard))
            _say(f"dashboard: {url}")
            if asked.picture:
                take_picture(url, asked.picture)
        is_equal = _judged(road, flow, folder / "again")
        is_equal = verified_road.is_equal(road, _say) and is_equal
        if asked.keep:
            _say(f"left up for {asked.keep:.0f} s: FRAUD_LOG=kafka://{broker.bootstrap} FRAUD_STORE={store}")
            time.sleep(asked.keep)
        is_equal = verified_road.names_what_was_tampered_with(road, _say) and is_equal
        is_equal = verified_road.tells_what_has_expired(road, _say) and is_equal
    return 0 if is_equal else 1


def _asked() -> Asked:
    parser = argparse.ArgumentParser(prog="real_road", description="The Handbook's payments over the real road.")
    parser.add_argument("handbook", type=Path, help="handbook_raw.parquet")
    parser.add_argument("--days", default="14", help="the first days of the file")
    parser.add_argument("--speedup", default="max", help="as of `fraud produce`")
    parser.add_argument(
        "--dashboard", type=int, metavar="PORT", help="serve the dashboard when the payments are through"
    )
    parser.add_argument("--picture", type=Path, metavar="PNG", help="take a picture of the dashboard's Live view")
    parser.add_argument("--keep", type=float, default=0.0, metavar="SECONDS", help="leave everything up for a while")
    asked = Asked(**vars(parser.parse_args()))
    if not asked.handbook.is_file():
        parser.error(f"no file {asked.handbook}: make road HANDBOOK=path/of/handbook_raw.parquet")
    return asked


def _travel(road: KafkaRoad, asked: Asked) -> Flow:
    """What operators and analysts do: set up, start two consumers and an archive, let payments flow, change a rule meanwhile."""
    stricter = road.commands.folder / "stricter.yaml"
    stricter.write_text(RULES.read_text(encoding="utf-8").replace(*STRICTER), encoding="utf-8")
    _say(road.commands.run("init"))
    for number in (1, 2):
        road.start_consumer(f"consumer-{number}")
    road.wait_for_group()
    road.start_archive("archive")
    _say(f"consumers: {' and '.join(str(len(held)) for held in road.partitions_by_consumer())} partitions")
    file = ("--from", str(asked.handbook.resolve()), "--mapping", str(MAPPING), "--days", asked.days)
    road.commands.start("producer", "produce", *file, "--speedup", asked.speedup)
    # It takes effect ten seconds later: published while the producer opens its file, it falls into the middle of the flow.
    _say(road.commands.run("rules", "apply", str(stricter)))
    road.wait_for("producer")
    _say(road.commands.tail("producer"))
    road.wait_until_decided()
    decided_at = time.time()
    first, last = span(road.log)
    messages, last_ones = records_in(road.log), send_what_ends_files(road, _say)
    _say(f"archived: {wait_for_whole_files(road):,} messages lie in whole files")
    return Flow(messages=messages, last_ones=last_ones, sent_s=(last - first) / 1e6, decided_s=decided_at - first / 1e6)


def _judged(road: KafkaRoad, flow: Flow, folder: Path) -> bool:
    """Print the table, decide the log again, print how the two compare; whether nothing differs and nothing is missing."""
    copy = imported(road.log, folder)
    payments = payments_by_policy(copy)
    copy.close()
    found = road.results()
    _say("\n".join(summary(flow, found, payments)))
    comparisons = differences(expected=decide_again(folder, GROUP), found=found)
    _say("against one consumer on an embedded copy of the log:")
    _say("\n".join(line for comparison in comparisons for line in comparison.lines()))
    mistakes = _mistakes(flow, found, payments)
    _say("\n".join(mistakes) or "every message is accounted for, and nothing differs")
    return not mistakes and all(comparison.is_equal for comparison in comparisons)


def _mistakes(flow: Flow, found: Results, payments: Counter[str]) -> list[str]:
    """What is wrong with the run itself."""
    mistakes = []
    messages = flow.messages + flow.last_ones
    if found.accounted != messages:
        mistakes.append(f"{messages - found.accounted:,} messages are not accounted for")
    if found.total("flagged") != len(found.flags):
        mistakes.append(f"{found.total('flagged'):,} flags are counted, {len(found.flags):,} are stored")
    if sum(count > flow.last_ones for count in payments.values()) < 2:
        mistakes.append("the rules change came after the last payment: take more DAYS, or ARGS='--speedup 40000'")
    return mistakes


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
