"""The rules of a policy record, judged by hand. Knows the kinds that proofs use, and refuses any other loudly."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.prove.naive_memory import HOUR, MINUTE, Seen

DECIMALS = {"JPY": 0}
"""Of the currencies that proofs pay in; two for every other."""
CURRENCIES = frozenset({"EUR", "JPY", "CHF"})
NO_CURRENCY = "XXX"
SEVERITIES = ("low", "medium", "high", "critical")
LEAST_DELAY_MS = 10_000
_CONDITION = re.compile(r"amount > ([\d.]+) \* amount_mean_30d AND count_24h >= (\d+)")


@dataclass(frozen=True, slots=True)
class Ruling:
    """A valid policy of the log."""

    effective_from: int
    """Microseconds since the epoch."""
    hash: str
    default_currency: str
    moving: frozenset[str]
    rules: list[dict[str, Any]]


def rulings(records: Iterable[tuple[int, int, bytes]]) -> list[Ruling]:
    """Valid policies of (offset, append time, value), in the order of the log."""
    found: list[Ruling] = []
    last_valid: int | None = None
    for offset, appended_at, value in records:
        record = json.loads(value)
        if record["based_on"] != last_valid or record["delay_ms"] < LEAST_DELAY_MS:
            continue
        last_valid = offset
        earlier = found[-1].effective_from if found else 0
        found.append(_ruling(record, max(earlier, appended_at + record["delay_ms"] * 1_000)))
    return found


def in_force(known: list[Ruling], received_at: int) -> Ruling | None:
    """The one that rules what was received at a moment."""
    return next((one for one in reversed(known) if one.effective_from <= received_at), None)


def hits(ruling: Ruling, payment: Seen, said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every rule that objects, in the order of the file."""
    for rule in ruling.rules:
        if rule["mode"] == "off":
            continue
        if rule.get("segment") is not None:
            raise NotImplementedError(f"the oracle knows no segments: rule {rule['id']}")
        found = _JUDGES[rule["kind"]](rule, payment, said)
        if found is not None:
            observed, threshold = found
            named = {name: rule[name] for name in ("mode", "severity")}
            yield {"rule": rule["id"], **named, "observed": observed, "threshold": threshold}


def severity(found: list[dict[str, Any]]) -> str | None:
    """The highest of the live hits; None without one: no flag."""
    return max((hit["severity"] for hit in found if hit["mode"] == "live"), key=SEVERITIES.index, default=None)


def decimals(currency: str) -> int:
    """Decimals of the minor unit."""
    return DECIMALS.get(currency, 2)


Found = tuple[float, float] | None
"""Observed and threshold of a hit."""


def _high_amount(rule: dict[str, Any], payment: Seen, _said: dict[str, Any]) -> Found:
    limit = rule["limit"].get(payment.currency)
    amount = Decimal(payment.minor).scaleb(-decimals(payment.currency))
    is_hit = payment.is_attempt and limit is not None and amount > Decimal(str(limit))
    return (float(amount), float(limit)) if is_hit else None


def _high_frequency(rule: dict[str, Any], payment: Seen, said: dict[str, Any]) -> Found:
    count = said[f"count_{rule['window']}"] + 1
    return (float(count), float(rule["limit"])) if payment.is_attempt and count > rule["limit"] else None


def _geo_mismatch(rule: dict[str, Any], payment: Seen, said: dict[str, Any]) -> Found:
    if not payment.is_attempt or "metres" not in said:
        return None
    speed = said["metres"] / 1_000 / (max(said["since_place"], MINUTE) / HOUR)
    is_hit = said["metres"] >= rule["min_km"] * 1_000 and speed > rule["max_kmh"]
    return (speed, rule["max_kmh"]) if is_hit else None


def _expression(rule: dict[str, Any], payment: Seen, said: dict[str, Any]) -> Found:
    condition = _CONDITION.fullmatch(rule["condition"])
    if condition is None:
        raise NotImplementedError(f"the oracle cannot read: {rule['condition']}")
    if not said["spends_30d"] or said["count_24h"] < int(condition[2]):
        return None
    scale = 10 ** decimals(payment.currency)
    threshold = float(condition[1]) * (said["spent_30d"] / said["spends_30d"] / scale)
    amount = payment.minor / scale
    return (amount, threshold) if amount > threshold else None


_JUDGES: dict[str, Callable[[dict[str, Any], Seen, dict[str, Any]], Found]] = {
    "high_amount": _high_amount,
    "high_frequency": _high_frequency,
    "geo_mismatch": _geo_mismatch,
    "expression": _expression,
}


def _ruling(record: dict[str, Any], effective_from: int) -> Ruling:
    content = record["policy"]
    whole = {"engine_version": record["engine_version"], **content}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Ruling(
        effective_from=effective_from,
        hash=hashlib.sha256(text.encode()).hexdigest(),
        default_currency=content["rules"]["default_currency"],
        moving=_codes(content["rules"]["moving_mccs"]),
        rules=content["rules"]["rules"],
    )


def _codes(ranges: list[str]) -> frozenset[str]:
    spans = [one.partition("-") for one in ranges]
    return frozenset(f"{code:04}" for first, _, last in spans for code in range(int(first), int(last or first) + 1))
