"""One deployment over real servers for each test of the road."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.road.kafka_road import KafkaRoad, forget_topics, kafka_road
from tests.road.traffic import RULES


@pytest.fixture
def road(kafka: Any, mongo_wire: Any, tmp_path: Path) -> Iterator[KafkaRoad]:
    rules, name = tmp_path / "rules.yaml", uuid.uuid4().hex[:8]
    rules.write_text(RULES)
    forget_topics(kafka)
    place = {"bootstrap": kafka.bootstrap, "store": f"{mongo_wire.url}/road_{name}"}
    with kafka_road(tmp_path, **place, rules=rules, group=f"road-{name}", partitions=4) as opened:
        yield opened
    forget_topics(kafka)
