"""A label that can be read is read; every other record is a dead letter that harms no neighbour and keeps no card number."""

import msgspec
import numpy as np
import pytest

from fraud.batch import Polled
from fraud.dead_letters import Reason
from fraud.label_decoding import decode_labels
from fraud.schema import Label, LabelSource, LabelValue
from tests.builders import NOON

CARD = "4111111111111111"
GOOD = Label(
    transaction_id="t-1", user_id="u-1", source=LabelSource.DISPUTE, label=LabelValue.FRAUD, event_time=NOON, reported_at=NOON
)  # fmt: skip


def label(**fields: str) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(GOOD, **fields))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(None, Reason.EMPTY, id="nothing"),
        pytest.param(b"x" * 70_000, Reason.OVERSIZED, id="too long"),
        pytest.param(b"{", Reason.NOT_JSON, id="half"),
        pytest.param(b"\xff\xfe", Reason.NOT_JSON, id="no text"),
        pytest.param(label()[:-1] + b',"x":' + b"[" * 70 + b"]" * 70 + b"}", Reason.NOT_JSON, id="nested too deeply"),
        pytest.param(b"{}", Reason.SCHEMA, id="without fields"),
        pytest.param(label().replace(b'"fraud"', b'"maybe"'), Reason.SCHEMA, id="another word"),
        pytest.param(label(user_id=CARD), Reason.PAN_DETECTED, id="a card number as user"),
        pytest.param(label(fraud_type=f"card {CARD}"), Reason.PAN_DETECTED, id="a card number in words"),
        pytest.param(label(transaction_id=CARD), Reason.PAN_DETECTED, id="a card number as id"),
        pytest.param(label(fraud_type="a\0b"), Reason.SCHEMA, id="a NUL"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_beside_its_neighbours(value: bytes | None, reason: Reason) -> None:
    decoded = decode_labels(polled([label(), value, label()]), "labels", [frozenset()] * 3)

    [letter] = decoded.dead
    assert (letter.topic, letter.offset, letter.reason) == ("labels", 11, reason)
    assert CARD not in letter.payload + letter.detail
    assert (decoded.labels, decoded.rows.tolist()) == ([GOOD, GOOD], [0, 2])


def test_ids_that_the_policy_exempts_may_look_like_card_numbers() -> None:
    value = label(transaction_id=CARD)

    decoded = decode_labels(polled([value, value]), "labels", [frozenset({"transaction_id"}), frozenset()])

    assert decoded.rows.tolist() == [0]
    assert [letter.reason for letter in decoded.dead] == [Reason.PAN_DETECTED]


def polled(values: list[bytes | None]) -> Polled:
    return Polled(
        partition=np.full(len(values), 2, np.int64),
        offset=np.arange(10, 10 + len(values), dtype=np.int64),
        received_at=np.full(len(values), 1_000_000, np.int64),
        values=values,
    )
