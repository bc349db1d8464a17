"""From raw records of topic `labels` to labels; what cannot be read or holds card data is a dead letter, like a payment."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from fraud.batch import Polled
from fraud.card_numbers import holds_card_number
from fraud.columns import Ints
from fraud.dead_letters import DeadLetter, Reason
from fraud.decoding import MAX_MESSAGE, dead_letter, is_nested_too_deeply
from fraud.schema import Label

_DECODER = msgspec.json.Decoder(Label)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedLabels:
    """What one poll held."""

    labels: Sequence[Label]
    rows: Ints
    """Row of the poll that each label came from, ascending."""
    dead: Sequence[DeadLetter]


def decode_labels(polled: Polled, topic: str, exempt: Sequence[frozenset[str]]) -> DecodedLabels:
    """Labels and dead letters of a poll; never raises for what a record holds.

    `exempt` has for each record the fields whose digit runs are no card numbers, as the policy of its time says.
    """
    labels: list[Label] = []
    rows: list[int] = []
    dead: list[DeadLetter] = []
    for row, value in enumerate(polled.values):
        found = _read(value, exempt[row])
        if isinstance(found, Label):
            labels.append(found)
            rows.append(row)
        else:
            dead.append(dead_letter(polled, row, topic, *found))
    return DecodedLabels(labels=labels, rows=np.array(rows, np.int64), dead=dead)


def _read(value: bytes | None, exempt: frozenset[str]) -> Label | tuple[Reason, str]:
    if not value:
        return Reason.EMPTY, "the record has no value"
    if len(value) > MAX_MESSAGE:
        return Reason.OVERSIZED, f"{len(value)} bytes, at most {MAX_MESSAGE} are read"
    if is_nested_too_deeply(value):
        return Reason.NOT_JSON, "nested too deeply"
    try:
        label = _DECODER.decode(value)
    except msgspec.ValidationError as error:
        return Reason.SCHEMA, str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Reason.NOT_JSON, str(error)
    texts = [label.user_id, label.fraud_type or "", "" if "transaction_id" in exempt else label.transaction_id]
    if any(map(holds_card_number, texts)):
        return Reason.PAN_DETECTED, "a field holds what looks like a card number"
    if any("\0" in text for text in (*texts, label.transaction_id)):
        return Reason.SCHEMA, "a NUL character, which no store keeps"
    return label
