"""From a decision to the flag that people see: reasons, features and context of one payment."""

from datetime import datetime
from typing import Any

from fraud.batch import Mark
from fraud.currencies import code_of, to_major
from fraud.decision import Flag, Hit, Severity, flag_id, moment
from fraud.engine import Decisions, Engine
from fraud.features import values_of
from fraud.ring import AMOUNT, BITS, EVENT_TIME, MERCHANT, OFFSET, WHERE, Rows

CONTEXT = 64
"""Earlier payments of the user that a flag carries."""


def flag_of(engine: Engine, decisions: Decisions, row: int, *, log_id: str, group: str, decided_at: datetime) -> Flag:
    """The flag of one row of the batch that `engine` decided last."""
    batch = decisions.batch
    transaction = batch.rows.transaction(row)
    partition = int(batch.partition[row])
    context = engine.windows(partition).context(batch, row, int(decisions.newest[row]), CONTEXT)
    return Flag(
        id=flag_id(transaction.user_id, transaction.transaction_id, transaction.event_time),
        log_id=log_id,
        group=group,
        partition=partition,
        offset=int(batch.offset[row]),
        received_at=moment(int(batch.received_at[row])),
        decided_at=decided_at,
        event_time=moment(int(batch.event_time[row])),
        user_id=transaction.user_id,
        transaction=transaction,
        origin="decision",
        severity=Severity(int(decisions.severity[row])).word,
        hits=_hits(decisions, row),
        score=None if decisions.scores is None else int(decisions.scores[row]),
        features=values_of(decisions.features, row),
        policy="" if decisions.policy is None else decisions.policy.hash,
        history_incomplete=bool(decisions.incomplete[row]),
        context=tuple(_remembered(entry) for entry in context),
    )


def _hits(decisions: Decisions, row: int) -> tuple[Hit, ...]:
    return tuple(rule.hit(answer, row) for rule, answer in decisions.hits if answer.mask[row])


def _remembered(entry: Rows) -> dict[str, Any]:
    """One payment as memory keeps it: words where it has them, the merchant by its hash."""
    bits, where = int(entry[BITS]), int(entry[WHERE])
    currency = code_of((bits >> 16) & 0xFFFF)
    hour = ((bits >> 48) & 31) - 1
    said: dict[str, Any] = {
        "event_time": moment(int(entry[EVENT_TIME])),
        "offset": int(entry[OFFSET]),
        "amount": to_major(int(entry[AMOUNT]), currency),
        "currency": currency,
        "declined": bool(bits & Mark.DECLINED),
        "attempt": bool(bits & Mark.ATTEMPT),
        "card_present": bool(bits & Mark.CARD_PRESENT),
        "hour": hour if hour >= 0 else None,
        "country": None,
        "mcc": None,
        "merchant": None,
    }
    if bits & Mark.HAS_COUNTRY:
        said["country"] = chr((where & 0xFFFF) >> 8) + chr(where & 0xFF)
    if bits & Mark.HAS_MCC:
        said["mcc"] = f"{(bits >> 32) & 0xFFFF:04}"
    if bits & Mark.HAS_MERCHANT:
        said["merchant"] = f"{int(entry[MERCHANT]) & 0xFFFFFFFFFFFFFFFF:016x}"
    return said
