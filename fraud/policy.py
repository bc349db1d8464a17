"""Policies: all that decides, under one hash, as a record of the log.

A policy is a record of topic `policies`. It rules every payment received at or after its own append time + delay, so the logs alone
say which policy a payment was decided under. A record based on another than the last valid one is void.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Self

from pydantic import ValidationError

from fraud.currencies import NO_CURRENCY
from fraud.errors import PolicyError
from fraud.rule_set import Bands, RuleSet

ENGINE_VERSION = 1
"""Raised whenever the same log and policy would give other decisions."""
FORMAT = 1
"""Of the record."""
DELAY = timedelta(seconds=10)
"""From append to effect, at least: consumers look every five seconds, so each has read a policy before it rules."""
_LONGEST_DELAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)
_NOTHING: dict[str, Any] = {"model": None, "label_memory": None, "lists": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What decides a payment, and how it came into the log."""

    rules: RuleSet
    """Rules, score bands, default currency and the lists of the rules file."""
    model: str | None = None
    """Id of the model that scores; None: rules alone."""
    label_memory: str | None = None
    """Hash of the label memory in force; None: none."""
    lists: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Hashes of the objects that hold named lists."""
    engine_version: int = ENGINE_VERSION
    based_on: int | None = None
    """Offset of the policy that this one was made from; None for the first."""
    delay: timedelta = DELAY
    """From its append time until it takes effect."""
    watched_file: str | None = None
    """Hash of the rules file as a watcher last published it; carried forward by every other publisher."""
    is_understood: bool = field(default=True, compare=False)
    """False where another release wrote what this one cannot read: then it has no rules here."""
    hash: str = field(init=False)
    """sha256, hex, over all that decides; not over based_on, delay and watched_file."""

    def __post_init__(self) -> None:
        """Name the policy by its content."""
        object.__setattr__(self, "hash", _hash(self.engine_version, _deciding(self)))

    @property
    def bands(self) -> Bands:
        """The lowest score of each severity."""
        return self.rules.score

    @property
    def default_currency(self) -> str:
        """ISO 4217; of payments that name no currency."""
        return self.rules.default_currency

    def with_rules(self, rules: RuleSet, watched_file: str | None = None) -> Self:
        """Other rules; `watched_file` is the file's hash when it is the watched one, else it is carried forward."""
        return replace(self, rules=rules, watched_file=watched_file or self.watched_file)

    def with_model(self, model: str | None) -> Self:
        """Another model, or none."""
        return replace(self, model=model)

    def with_label_memory(self, label_memory: str | None) -> Self:
        """Another label memory, or none."""
        return replace(self, label_memory=label_memory)

    def with_lists(self, lists: Mapping[str, str]) -> Self:
        """Other lists."""
        return replace(self, lists=MappingProxyType(dict(lists)))

    def with_delay(self, delay: timedelta) -> Self:
        """Another delay."""
        return replace(self, delay=delay)

    def with_engine(self, engine_version: int) -> Self:
        """Handed over to another release."""
        return replace(self, engine_version=engine_version)

    def rebased(self, offset: int | None) -> Self:
        """Based on the record at `offset`."""
        return replace(self, based_on=offset)


def file_hash(text: str) -> str:
    """Identity of a rules file's text, for `watched_file`."""
    return hashlib.sha256(text.encode()).hexdigest()


def encode(policy: Policy) -> bytes:
    """The record: canonical bytes, equal for equal policies."""
    return _canonical(
        {
            "format": FORMAT,
            "engine_version": policy.engine_version,
            "based_on": policy.based_on,
            "delay_ms": policy.delay // _MILLISECOND,
            "watched_file": policy.watched_file,
            "hash": policy.hash,
            "policy": _deciding(policy),
        }
    )


def decode(value: bytes | None) -> Policy:
    """Read a record. Raises PolicyError, in words, for one that is damaged or no policy.

    A policy for another release (`engine_version`) keeps its place and its hash, but its content may not be ours to read: then it has
    no rules, and nothing may be decided under it.
    """
    record = _record(value)
    content = record["policy"]
    hash_ = _hash(record["engine_version"], content)
    if record["engine_version"] != ENGINE_VERSION:
        policy = _foreign(record, content)
        object.__setattr__(policy, "hash", record["hash"])
        return policy
    if record["hash"] != hash_:
        raise PolicyError("its hash does not fit its content")
    return _policy(record, content)


def _record(value: bytes | None) -> dict[str, Any]:
    """The part that every release can read, checked."""
    try:
        record = json.loads(value or b"")
    except (ValueError, RecursionError) as error:
        raise PolicyError("it is not JSON") from error
    if (
        not isinstance(record, dict)
        or not isinstance(record.get("policy"), dict)
        or not isinstance(record.get("hash"), str)
    ):
        raise PolicyError("it is not a policy record")
    version, based_on, delay = (record.get(name) for name in ("engine_version", "based_on", "delay_ms"))
    if type(version) is not int or type(delay) is not int or (based_on is not None and type(based_on) is not int):
        raise PolicyError("engine_version, delay_ms or based_on is no number")
    if not 0 <= delay <= _LONGEST_DELAY // _MILLISECOND:
        raise PolicyError(f"a delay of {delay} ms is not from 0 to a day")
    return record


def _foreign(record: dict[str, Any], content: dict[str, Any]) -> Policy:
    try:
        return _policy(record, content)
    except PolicyError:
        nothing = RuleSet(version=1, default_currency=NO_CURRENCY, rules=())
        return replace(_policy(record, {**_NOTHING, "rules": nothing}), is_understood=False)


def _policy(record: dict[str, Any], content: dict[str, Any]) -> Policy:
    if not all(isinstance(content.get(name), str | None) for name in ("model", "label_memory")):
        raise PolicyError("its model or label memory is no name")
    try:
        return Policy(
            rules=RuleSet.model_validate(content["rules"]),
            model=content["model"],
            label_memory=content["label_memory"],
            lists=MappingProxyType(dict(content["lists"])),
            engine_version=record["engine_version"],
            based_on=record["based_on"],
            delay=record["delay_ms"] * _MILLISECOND,
            watched_file=record.get("watched_file"),
        )
    except ValidationError as error:
        raise PolicyError(f"its rules are not valid: {error.errors()[0]['msg']}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError("its content is incomplete") from error


def _deciding(policy: Policy) -> dict[str, Any]:
    return {
        "rules": policy.rules.model_dump(mode="json"),
        "model": policy.model,
        "label_memory": policy.label_memory,
        "lists": dict(policy.lists),
    }


def _hash(engine_version: int, content: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical({"engine_version": engine_version, **content})).hexdigest()


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
