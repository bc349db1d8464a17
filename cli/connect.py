"""From settings to the parts they name: log, store, models."""

import logging
import os
import socket
import sys
from pathlib import Path

import structlog

from cli.settings import Settings
from fraud.engine import Scorer
from fraud.errors import UsageError
from storage.flags.flag_store import FlagStore
from storage.flags.stores import open_store as store_of
from storage.logs.embedded_log import EmbeddedLog
from storage.logs.kafka_connection import KafkaSecurity
from storage.logs.kafka_log import KafkaLog
from storage.logs.log import DEAD_LETTERS, FLAGS, LABELS, POLICIES, TRANSACTIONS, USERS, Log, Topic

KEEP_DAYS = 60
"""Days that the log keeps payments: a consumer without a checkpoint reads back 37 (`consumer.restoring.LOOK_BACK`)."""


def open_log(settings: Settings) -> Log:
    """The log that the settings name. Raises UsageError for an address of another form."""
    scheme, _, rest = settings.log.partition(":")
    if scheme == "embedded" and rest:
        return EmbeddedLog(Path(rest))
    if scheme == "kafka" and rest.startswith("//"):
        return KafkaLog(rest.removeprefix("//"), _security(settings))
    raise UsageError(f"FRAUD_LOG is {settings.log!r}: expected kafka://host:port or embedded:DIR")


def open_store(settings: Settings) -> FlagStore:
    """The flag store that the settings name."""
    return store_of(settings.store.get_secret_value())


def scorer_of(settings: Settings, model_id: str) -> Scorer:
    """A model by id. Raises ModelError when it is missing or damaged."""
    from models.scorer import TreeScorer  # most commands score nothing

    return TreeScorer.load(settings.data_dir, model_id)


def topics(settings: Settings) -> list[Topic]:
    """Every topic of the product, as `fraud init` makes it."""
    return [
        Topic(name=TRANSACTIONS, partitions=settings.partitions, keep_days=KEEP_DAYS),
        Topic(name=LABELS, partitions=settings.partitions, keep_days=KEEP_DAYS),
        Topic(name=USERS, partitions=1, compacted=True),
        Topic(name=POLICIES, partitions=1, keep_for_ever=True),
        Topic(name=FLAGS, partitions=settings.partitions, keep_days=KEEP_DAYS),
        Topic(name=DEAD_LETTERS, partitions=1, keep_days=KEEP_DAYS),
    ]


def process_name(role: str, settings: Settings) -> str:
    """Stable while the process lives: role, host (or static member name) and pid."""
    return f"{role}@{settings.member or socket.gethostname()}:{os.getpid()}"


def speak(settings: Settings) -> None:
    """Structured logs to standard error: for people on a console, as JSON elsewhere."""
    if settings.log_format not in {"console", "json"}:
        raise UsageError(f"FRAUD_LOG_FORMAT is {settings.log_format!r}: expected console or json")
    renderer = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(
        logging.CRITICAL
    )  # two lines a try while brokers are away; `storage.logs` says it once


def _security(settings: Settings) -> KafkaSecurity:
    password = settings.kafka_password
    return KafkaSecurity(
        protocol=settings.kafka_security_protocol,
        mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_username,
        password=None if password is None else password.get_secret_value(),
        ca_file=settings.kafka_ca_file,
    )
