"""`fraud archive`: a second reader of the same log, which keeps every decision in Parquet."""

import time
from typing import Annotated

import typer

from cli.connect import open_log, open_store, speak
from cli.loops import Part, check_topics, joined, policy_reader, run
from cli.settings import Settings
from cli.waiting import until_up
from consumer.archive_metrics import ArchiveMetrics
from consumer.archiving import ArchiveSink, archive_group
from consumer.label_archiving import LabelChore
from consumer.loop import Loop
from consumer.metrics import Metrics
from consumer.warming import warm_up
from storage import failpoints
from storage.archived_labels import label_files
from storage.decisions import decision_files
from storage.flags.flag_store import FlagStore
from storage.logs.log import LABELS, TRANSACTIONS, Log


def archive(
    wait: Annotated[float, typer.Option(help="Seconds to wait for log and store to come up.", min=0)] = 60.0,
) -> None:
    """Keep every decision and label of the log as Parquet.

    It reads payments and labels itself and decides again what the consumer decides.
    Files lie under FRAUD_DATA_DIR, in decisions/ and labels/. The consumer group is FRAUD_GROUP with `-archive` behind it.
    SIGTERM or Ctrl-C leaves cleanly; what is not in a whole file by then is read again at the next start.

    Example: FRAUD_DATA_DIR=/data fraud archive
    """
    settings = Settings()
    speak(settings)
    failpoints.arm(settings.failpoints or "")
    log, store = open_log(settings), open_store(settings)
    until_up(store.prepare, wait)
    until_up(lambda: check_topics(log), wait)
    warm_up()
    try:
        run(build(settings, log, store), settings)
    finally:
        store.close()
        log.close()


def build(settings: Settings, log: Log, store: FlagStore) -> Loop:
    """An archive with all its parts, ready to run. Raises ArchiveError for a folder of another log."""
    metrics = Metrics()
    archived = ArchiveMetrics(metrics.registry)
    group = archive_group(settings.group)
    decisions = decision_files(settings.data_dir, log.topic_id(TRANSACTIONS))
    decisions.claim(log.partitions(TRANSACTIONS))
    labels = label_files(settings.data_dir, log.topic_id(LABELS))
    labels.claim(log.partitions(LABELS))
    policies = policy_reader(settings, log)
    chore = LabelChore(
        source=log,
        reader=log.group_reader(LABELS, f"{group}-labels", settings.member),
        publisher=log.publisher(),
        policies=policies,
        files=labels,
        metrics=archived,
        monotonic=time.monotonic,
    )
    return joined(
        settings,
        log,
        store,
        Part(
            role="archive",
            group=group,
            policies=policies,
            sink=ArchiveSink(
                files=decisions,
                first_offset=lambda partition: log.bounds(TRANSACTIONS, partition)[0],
                metrics=archived,
                on_close=chore.close,
            ),
            chores=lambda _decider: [chore],
            metrics=metrics,
            facts=archived.facts,
        ),
    )
