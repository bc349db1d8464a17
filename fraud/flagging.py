"""From a decision to the flag that people see: reasons, features and context of one payment."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fraud.batch import Mark
from fraud.currencies import code_of, to_major
from fraud.decision import Flag, Hit, Severity, flag_id, moment
from fraud.engine import Decisions, Engine
from fraud.features import values_of
from fraud.ring import (
    AMOUNT,
    BITS,
    COUNTRY_AT,
    COUNTRY_MASK,
    CURRENCY_AT,
    CURRENCY_MASK,
    EVENT_TIME,
    HOUR_AT,
    HOUR_MASK,
    MCC_AT,
    MCC_MASK,
    MERCHANT,
    OFFSET,
    Rows,
)

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
        context=tuple(_remembered(context)),
    )


def _hits(decisions: Decisions, row: int) -> tuple[Hit, ...]:
    return tuple(rule.hit(answer, row) for rule, answer in decisions.hits if answer.mask[row])


def _remembered(entries: Rows) -> Iterator[dict[str, Any]]:
    """Payments as memory keeps them: words where it has them, the merchant by its hash."""
    for entry in entries.tolist():
        bits = entry[BITS]
        currency = code_of((bits >> CURRENCY_AT) & CURRENCY_MASK)
        hour = (bits >> HOUR_AT) & HOUR_MASK
        country = ((bits >> COUNTRY_AT) & COUNTRY_MASK) - 1
        merchant = entry[MERCHANT] & _ALL_BITS
        yield {
            "event_time": moment(entry[EVENT_TIME]),
            "offset": entry[OFFSET],
            "amount": to_major(entry[AMOUNT], currency),
            "currency": currency,
            "declined": bool(bits & _DECLINED),
            "attempt": bool(bits & _ATTEMPT),
            "card_present": bool(bits & _CARD_PRESENT),
            "hour": hour - 1 if hour else None,
            "country": chr(65 + country // 26) + chr(65 + country % 26) if bits & _HAS_COUNTRY else None,
            "mcc": f"{(bits >> MCC_AT) & MCC_MASK:04}" if bits & _HAS_MCC else None,
            "merchant": f"{merchant:016x}" if bits & _HAS_MERCHANT else None,
        }


# Plain integers: bit tests on an IntFlag cost a microsecond each.
_DECLINED, _ATTEMPT, _CARD_PRESENT = int(Mark.DECLINED), int(Mark.ATTEMPT), int(Mark.CARD_PRESENT)
_HAS_COUNTRY, _HAS_MCC, _HAS_MERCHANT = int(Mark.HAS_COUNTRY), int(Mark.HAS_MCC), int(Mark.HAS_MERCHANT)
_ALL_BITS = 2**64 - 1
