"""One deployment over real servers for each test of the road."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from storage.logs.log import ALL_TOPICS
from tests.road.kafka_road import KafkaRoad, kafka_road
from tests.road.traffic import RULES
from tests.services.server import wait_until


@pytest.fixture
def road(kafka: Any, mongo_wire: Any, tmp_path: Path) -> Iterator[KafkaRoad]:
    rules, name = tmp_path / "rules.yaml", uuid.uuid4().hex[:8]
    rules.write_text(RULES)
    forget_topics(kafka)
    place = {"bootstrap": kafka.bootstrap, "store": f"{mongo_wire.url}/road_{name}"}
    with kafka_road(tmp_path, **place, rules=rules, group=f"road-{name}", partitions=4) as opened:
        yield opened
    forget_topics(kafka)


def forget_topics(kafka: Any) -> None:
    """The product's topics have fixed names: what an earlier test left in them is not ours to decide."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        present = sorted(set(admin.list_topics()) & set(ALL_TOPICS))
        if present and kafka.pid is None:
            pytest.skip(f"{kafka.bootstrap} has topics of the product, and is not ours to clear")
        if present:
            admin.delete_topics(present)
            wait_until(lambda: not set(admin.list_topics()) & set(present), "the topics to be gone")
    finally:
        admin.close()
