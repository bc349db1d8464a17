"""The watcher: publishes the rules file when it differs from the one that the policy in force carries forward."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from consumer.status import Status
from fraud.errors import FraudError, RuleFileError
from fraud.policy import file_hash
from fraud.rule_file import rule_set_of
from storage.logs.log import Log
from storage.policies import publish_rules, read_timeline

log = structlog.get_logger()

EVERY = 2.0
"""Seconds (monotonic) between two looks at the file."""
KEPT = 5
"""Refusals shown."""


@dataclass(slots=True, kw_only=True)
class WatcherChore:
    """Looks at the rules file now and then. A bad file publishes nothing, and is loudly visible until it is mended."""

    source: Log
    file: Path
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    _looked_at: float = field(default=-1e9)
    _seen: str | None = None
    """Hash of the text that was last dealt with."""
    _refused: list[dict[str, Any]] = field(default_factory=list)

    def refused(self) -> list[dict[str, Any]]:
        """What was refused and is still in the file, newest last."""
        return list(self._refused)

    def due(self, status: Status) -> None:
        """Publish a changed file, or say what is wrong with it."""
        if self.monotonic() - self._looked_at < EVERY:
            return
        self._looked_at = self.monotonic()
        try:
            text = self.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(status, str(error), [f"{self.file}: cannot be read: {error}"])
            return
        if file_hash(text) != self._seen:
            self._deal_with(status, text)

    def _deal_with(self, status: Status, text: str) -> None:
        try:
            rules = rule_set_of(text, str(self.file))
        except RuleFileError as error:
            self._refuse(status, file_hash(text), error.problems)
            return
        try:
            current = read_timeline(self.source).latest
            if current is None:  # `fraud init` comes first
                return
            if current.watched_file != file_hash(text):
                published = publish_rules(self.source, rules, file_hash(text))
                status.metrics.policies.labels("applied").inc()
                log.info("rules_published", file=str(self.file), offset=published.offset)
        except FraudError as error:
            log.warning("rules_not_published", file=str(self.file), reason=str(error))
            return
        self._seen = file_hash(text)
        self._refused.clear()

    def _refuse(self, status: Status, seen: str, problems: list[str]) -> None:
        if seen == self._seen:
            return
        self._seen = seen
        self._refused = [*self._refused, {"file": str(self.file), "at": self.now(), "problems": problems}][-KEPT:]
        status.metrics.policies.labels("refused").inc()
        log.error("rules_refused", file=str(self.file), problems=problems)
