"""What Prometheus and a health check get over HTTP."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumer.deciding import Answer
from consumer.metrics import Metrics, serve
from fraud.dead_letters import DeadLetter, Reason
from fraud.errors import UsageError


@contextmanager
def served(metrics: Metrics, reason: str | None = None) -> Iterator[int]:
    server = serve(metrics, lambda: reason, "127.0.0.1", 0)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def got(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def flag_with(severity: str) -> Any:
    return SimpleNamespace(flag=SimpleNamespace(severity=severity))


def dead(reason: Reason) -> DeadLetter:
    return DeadLetter(topic="t", partition=0, offset=0, received_at=0, reason=reason, detail="", payload="")


def test_metrics_say_what_became_of_every_record() -> None:
    metrics = Metrics()
    answer = Answer(
        seen=10, decided=5, duplicates=1, before_policy=2,
        flags=[flag_with("high"), flag_with("low")],
        dead=[dead(Reason.SCHEMA), dead(Reason.EMPTY)], hits=Counter({("amount", "live"): 2, ("trial", "shadow"): 3}),
    )  # fmt: skip
    metrics.took(answer)
    metrics.took(answer)
    metrics.seconds("decide", 0.003)
    metrics.lag.labels("0").set(17)
    metrics.policies.labels("refused").inc()
    metrics.users.set(3)
    metrics.state_bytes.set(4_096)

    with served(metrics) as port:
        status, text = got(port, "/metrics")

    found = samples(text)
    assert status == 200
    assert {outcome: found["fraud_records_total", (outcome,)] for outcome in ("decided", "duplicates", "before_policy", "dead")} == {
        "decided": 10, "duplicates": 2, "before_policy": 4, "dead": 4,
    }  # fmt: skip
    assert found["fraud_flags_total", ("high",)] == 2
    assert found["fraud_rule_hits_total", ("amount", "live")] == 4
    assert found["fraud_rule_hits_total", ("shadow", "trial")] == 6
    assert found["fraud_dead_letters_total", ("schema",)] == 2
    assert found["fraud_stage_seconds_count", ("decide",)] == 1
    assert found["fraud_lag_records", ("0",)] == 17
    assert found["fraud_policies_total", ("refused",)] == 1
    assert (found["fraud_state_users", ()], found["fraud_state_bytes", ()]) == (3, 4_096)


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        pytest.param(None, (200, "ok"), id="well"),
        pytest.param("the loop has not turned for 130 s", (503, "the loop has not turned for 130 s"), id="stuck"),
    ],
)
def test_health_is_ok_or_says_why_not(reason: str | None, answer: tuple[int, str]) -> None:
    with served(Metrics(), reason) as port:
        assert got(port, "/healthz") == answer


def test_a_busy_port_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127.0.0.1:{port} cannot be used: .*FRAUD_METRICS_PORT"):
            serve(Metrics(), lambda: None, "127.0.0.1", port)


def test_two_consumers_in_one_process_do_not_share_counts() -> None:
    one, other = Metrics(), Metrics()
    one.took(Answer(decided=3))

    assert other.registry.get_sample_value("fraud_records_total", {"outcome": "decided"}) is None
