"""What Prometheus and the heartbeat get to know of an archive."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from storage.ranges import Range


class ArchiveMetrics:
    """Files, rows and bytes written by this process since it started, and how far each partition is archived."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare them beside a consumer's own."""
        self._files = Counter("fraud_archive_files", "Files written", ["data_set"], registry=registry)
        self._rows = Counter("fraud_archive_rows", "Rows written", ["data_set"], registry=registry)
        self._bytes = Counter("fraud_archive_bytes", "Bytes written", ["data_set"], registry=registry)
        self._up_to = Gauge(
            "fraud_archived_offset",
            "Offset up to which a partition is archived",
            ["data_set", "partition"],
            registry=registry,
        )
        self._buried = Counter(
            "fraud_unreadable_labels", "Labels that became dead letters, by reason", ["reason"], registry=registry
        )
        self._totals = {"files": 0, "rows": 0, "bytes": 0}
        self._ends: dict[str, dict[str, int]] = {}

    def wrote(self, data_set: str, whole: Range, size: int) -> None:
        """One file is there."""
        self._files.labels(data_set).inc()
        self._rows.labels(data_set).inc(len(whole.rows))
        self._bytes.labels(data_set).inc(size)
        for name, more in (("files", 1), ("rows", len(whole.rows)), ("bytes", size)):
            self._totals[name] += more

    def reached(self, data_set: str, whole: Range) -> None:
        """A range is archived, with or without a file."""
        self._up_to.labels(data_set, whole.partition).set(whole.end_offset)
        self._ends.setdefault(data_set, {})[str(whole.partition)] = whole.end_offset

    def buried(self, reason: str) -> None:
        """A label could not be read."""
        self._buried.labels(reason).inc()

    def lost(self, data_set: str, partition: int) -> None:
        """A partition went to somebody else."""
        if self._ends.get(data_set, {}).pop(str(partition), None) is not None:
            self._up_to.remove(data_set, str(partition))

    def facts(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {
            "archive": dict(self._totals),
            "archived_up_to": {name: dict(ends) for name, ends in self._ends.items()},
        }
