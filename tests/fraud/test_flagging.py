"""A flag carries everything: reasons, features, and the payments before it as they were remembered."""

import msgspec

from fraud.engine import Engine
from fraud.flagging import CONTEXT
from tests.builders import transaction
from tests.fraud.judging import BERLIN, decided, flags_of, policy_of

DAY = 86_400


def test_a_context_is_the_last_64_payments_oldest_first_as_remembered() -> None:
    engine = Engine()
    earlier = [
        transaction(transaction_id=f"t{at}", after=at, amount=float(at), outcome="declined" if at % 2 else None, channel="pos",
                    country="DE", mcc="5411", merchant_id="m")
        for at in range(70)
    ]  # fmt: skip
    last = transaction(transaction_id="last", after=100, amount=500.0)

    *_, flag = flags_of(engine, decided(*earlier, last, engine=engine))

    assert len(flag.context) == CONTEXT
    assert [entry["amount"] for entry in flag.context] == [float(at) for at in range(6, 70)]
    assert [entry["offset"] for entry in flag.context] == list(range(6, 70))
    newest = dict(flag.context[-1])
    merchant = newest.pop("merchant")
    assert len(merchant) == 16
    assert newest == {
        "event_time": earlier[-1].event_time, "offset": 69, "amount": 69.0, "currency": "EUR", "declined": True, "attempt": True,
        "card_present": True, "hour": 12, "country": "DE", "mcc": "5411",
    }  # fmt: skip


def test_what_a_payment_does_not_name_is_absent_from_the_context() -> None:
    engine = Engine()

    (flag,) = flags_of(
        engine, decided(transaction(), transaction(transaction_id="x", after=1, amount=500.0), engine=engine)
    )

    (entry,) = flag.context
    assert [entry[name] for name in ("hour", "country", "mcc", "merchant", "card_present")] == [
        None,
        None,
        None,
        None,
        False,
    ]


def test_a_flag_says_everything_and_encodes_to_json() -> None:
    engine = Engine()
    payment = transaction(amount=500.0, channel="pos", country="DE", **BERLIN)

    (flag,) = flags_of(engine, decided(payment, model="m-1", engine=engine))
    said = msgspec.json.decode(msgspec.json.encode(flag))

    assert said["id"] == flag.id
    assert (said["partition"], said["offset"], said["severity"], said["score"]) == (0, 0, "medium", 500_000)
    assert said["transaction"]["amount"] == 500.0
    assert said["policy"] == policy_of(model="m-1").hash
    assert said["features"]["amount"] == 500.0
    assert said["features"]["km_since_place"] is None
    assert said["hits"][0]["passes_at"] == 100.0
    assert said["context"] == []


def test_a_capped_or_late_history_is_said() -> None:
    engine = Engine()
    late = transaction(transaction_id="late", after=-8 * DAY, amount=500.0)

    decisions = decided(transaction(), late, engine=engine)

    assert decisions.incomplete.tolist() == [False, True]
    assert [flag.history_incomplete for flag in flags_of(engine, decisions)] == [True]
