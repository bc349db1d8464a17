"""A few rounds of every fault that finds most, on real Kafka and MongoDB's wire protocol: `make prove-quick` inside the tests."""

from typing import Any

import pytest

from tests.prove.outcome import begun
from tests.prove.quick import quick
from tests.road.kafka_road import forget_topics


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_is_there_twice_while_everything_is_broken(kafka: Any, mongo_wire: Any):
    if kafka.pid is None or mongo_wire.pid is None:
        pytest.skip("a proof breaks its servers, and these are not ours to break")
    forget_topics(kafka)
    outcome = begun("quick", seed=1, scale=1.0)

    quick(outcome, servers=(kafka, mongo_wire))

    assert outcome.verdict == "pass", "\n".join(outcome.lines())
    assert outcome.flags > 20
    forget_topics(kafka)
