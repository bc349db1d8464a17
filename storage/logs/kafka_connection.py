"""How to reach Kafka, and what its client's errors mean to us."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka.errors import (
    FencedInstanceIdError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    NodeNotReadyError,
    OffsetOutOfRangeError,
    RetriableError,
)

from fraud.errors import LogAwayError, LogError


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """What the brokers ask for; by default nothing."""

    protocol: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Address and security, from which every client is configured alike."""

    bootstrap: str
    """host:port, several with commas."""
    security: KafkaSecurity
    patience_ms: int = 15_000
    """How long the first connection may take."""

    def options(self) -> dict[str, Any]:
        """Options that consumers, producers and admin clients share."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "bootstrap_timeout_ms": self.patience_ms,
            # The client's default of 30 s leaves gaps of minutes after a broker restart.
            "reconnect_backoff_max_ms": 1_000,
            "security_protocol": self.security.protocol,
        }
        if self.security.ca_file is not None:
            options["ssl_cafile"] = str(self.security.ca_file)
        if self.security.protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.security.mechanism
            options["sasl_plain_username"] = self.security.username
            options["sasl_plain_password"] = self.security.password
        return options

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn the client's errors within the block into LogError."""
        try:
            yield
        except KafkaError as error:
            raise self.error(doing, error) from error

    def error(self, doing: str, error: KafkaError) -> LogError:
        """One line about a client's error; `doing` says what was tried. LogAwayError where it may pass by itself."""
        kind = LogAwayError if isinstance(error, RetriableError) else LogError
        return kind(f"Kafka at {self.bootstrap}: {doing}: {_meaning(error)}")


def _meaning(error: KafkaError) -> str:
    if isinstance(error, KafkaTimeoutError):
        return "no answer in time (is it running, is the address right? a wrong password looks the same)"
    if isinstance(error, NodeNotReadyError | KafkaConnectionError):
        return "no broker answers: is one running, and is the address right?"
    if isinstance(error, OffsetOutOfRangeError | LogTruncationError):
        return f"the log does not hold this offset, it was truncated or has expired: {_line(error)}"
    if isinstance(error, FencedInstanceIdError):
        return "another process took this member's name: leave the group to it"
    return f"{type(error).__name__}: {_line(error)}"


def _line(error: KafkaError) -> str:
    return " ".join(str(error).split())
