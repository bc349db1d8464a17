"""Every log under one contract: the embedded one always, Kafka where it runs."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.logs.embedded_log import EmbeddedLog
from storage.logs.kafka_log import KafkaLog
from storage.logs.log import Log


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest) -> Log:
    name = "embedded_log" if request.param == "embedded" else "kafka_log"
    opened: Log = request.getfixturevalue(name)
    return opened


@pytest.fixture
def kafka_log(kafka) -> Iterator[KafkaLog]:
    opened = KafkaLog(kafka.bootstrap)
    yield opened
    opened.close()


@pytest.fixture
def embedded_log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path / "log")
    yield opened
    opened.close()


@pytest.fixture
def topic() -> str:
    """A name that no other test of this broker uses."""
    return f"topic-{uuid.uuid4().hex[:12]}"
