"""Prometheus metrics and `/healthz` of one consumer."""

import threading
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app

from consumer.deciding import Answer
from fraud.errors import UsageError

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Counters and gauges in a registry of their own."""

    def __init__(self) -> None:
        """Declare every metric; nothing is served yet."""
        self.registry = CollectorRegistry()
        self._records = Counter(
            "fraud_records", "Records taken from the log, by what became of them", ["outcome"], registry=self.registry
        )
        self._flags = Counter("fraud_flags", "Flags stored, by severity", ["severity"], registry=self.registry)
        self._hits = Counter(
            "fraud_rule_hits",
            "Hits on decided payments, flagged or not, by rule and mode",
            ["rule", "mode"],
            registry=self.registry,
        )
        self._dead = Counter("fraud_dead_letters", "Dead letters, by reason", ["reason"], registry=self.registry)
        self._stage = Histogram(
            "fraud_stage_seconds", "Seconds per poll and stage", ["stage"], buckets=_SECONDS, registry=self.registry
        )
        self.lag = Gauge("fraud_lag_records", "Records not read yet", ["partition"], registry=self.registry)
        self.degraded = Gauge(
            "fraud_degraded_offsets",
            "Offsets missing from a partition's memory since it was restored",
            ["partition"],
            registry=self.registry,
        )
        self.policies = Counter(
            "fraud_policies", "Policies read, by what became of them", ["outcome"], registry=self.registry
        )
        self.users = Gauge("fraud_state_users", "Users in memory", registry=self.registry)
        self.state_bytes = Gauge("fraud_state_bytes", "Bytes of memory held for users", registry=self.registry)

    def seconds(self, stage: str, seconds: float) -> None:
        """One stage of one poll."""
        self._stage.labels(stage).observe(seconds)

    def took(self, answer: Answer) -> None:
        """One poll is committed."""
        for outcome in ("decided", "duplicates", "before_policy"):
            self._records.labels(outcome).inc(getattr(answer, outcome))
        self._records.labels("dead").inc(len(answer.dead))
        for letter in answer.dead:
            self._dead.labels(letter.reason.value).inc()
        for flag in answer.flags:
            self._flags.labels(flag.flag.severity).inc()
        for (rule, mode), count in answer.hits.items():
            self._hits.labels(rule, mode).inc(count)


class _Quiet(WSGIRequestHandler):
    """No access log: a scrape every few seconds is no event."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


def serve(metrics: Metrics, healthy: Callable[[], str | None], host: str, port: int) -> WSGIServer:
    """Serve `/metrics` and `/healthz` (200, or 503 with the reason) on a thread. Raises UsageError for a busy port."""
    exposition = make_wsgi_app(metrics.registry)

    def answer(environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != "/healthz":
            said: Iterable[bytes] = exposition(environ, start_response)
            return said
        reason = healthy()
        start_response("200 OK" if reason is None else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [(reason or "ok").encode()]

    try:
        server = make_server(host, port, answer, handler_class=_Quiet)
    except OSError as error:
        raise UsageError(
            f"metrics port {host}:{port} cannot be used: {error.strerror}; set FRAUD_METRICS_PORT"
        ) from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
