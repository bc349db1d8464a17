"""What is decided depends on the log alone: not on batch cuts, and on nothing but the policy."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.batch import Batch
from fraud.decision import Flag
from fraud.engine import Engine
from fraud.schema import Transaction
from tests.builders import batch_of, transaction
from tests.fraud.judging import BERLIN, PARIS, RULES, SCORERS, decided, flags_of, policy_of

DAY = 86_400


def cut(batch: Batch, start: int, end: int) -> Batch:
    names = [name for name in Batch.__dataclass_fields__ if name != "rows"]
    rows = type(batch.rows)([batch.rows.transaction(row) for row in range(start, end)])  # type: ignore[call-arg]
    return replace(batch, rows=rows, **{name: getattr(batch, name)[start:end] for name in names})


@st.composite
def payments(draw: st.DrawFn) -> Transaction:
    """A payment of one of two users within a few days, in any state."""
    place = draw(st.sampled_from([(None, None), (52.52, 13.405), (48.857, 2.352)]))
    maybe = lambda *values: draw(st.sampled_from([None, *values]))  # noqa: E731
    return transaction(
        transaction_id=draw(st.sampled_from("abcdef")),
        user_id=draw(st.sampled_from(["u", "v"])),
        after=draw(st.sampled_from([0, 1, 60, 299, 300, 3_600, 40_000, 40_001, DAY, 8 * DAY, 40 * DAY])),
        amount=draw(st.sampled_from([0.0, 5.0, 60.0, 150.0, 950.0])),
        kind=maybe("purchase", "refund", "verification"),
        outcome=maybe("approved", "declined"),
        currency=maybe("EUR", "USD"),
        channel=maybe("pos", "online"),
        device_id=maybe("d", "e"),
        merchant_id=maybe("m", "n"),
        latitude=place[0],
        longitude=place[1],
    )


@given(st.lists(payments(), max_size=25), st.data())
@settings(max_examples=60)
def test_any_cut_into_batches_gives_the_same_flags_with_the_same_context(
    stream: list[Transaction], data: st.DataObject
) -> None:
    batch, policy = batch_of(*stream), policy_of(model="m-1")
    engine = Engine()
    whole = flags_of(engine, engine.decide(batch, policy, SCORERS))

    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces: list[Flag] = []
    engine = Engine(threads=data.draw(st.integers(1, 2)))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        pieces += flags_of(engine, engine.decide(cut(batch, start, end), policy, SCORERS))

    assert pieces == whole


@given(st.lists(payments(), max_size=25))
@settings(max_examples=60)
def test_no_flag_without_a_live_hit_or_a_score_and_its_severity_is_their_highest(stream: list[Transaction]) -> None:
    engine = Engine()
    rank = ["low", "medium", "high", "critical"]

    for flag in flags_of(engine, decided(*stream, model="m-1", engine=engine)):
        live = [hit.severity for hit in flag.hits if hit.mode == "live"]
        assert flag.score is not None
        bands = [
            word for word, floor in zip(rank, (200_000, 400_000, 700_000, 900_000), strict=True) if flag.score >= floor
        ]
        is_attempt = flag.transaction.kind not in ("refund", "reversal")
        assert flag.severity == max([*live, *(bands if is_attempt else [])], key=rank.index)


def fired(*stream: Transaction, rules: str = RULES, **given: Any) -> list[str]:
    """The rules that hit the last payment."""
    decisions = decided(*stream, rules=rules, **given)
    return [rule.id for rule, answer in decisions.hits if answer.mask[len(stream) - 1]]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param([transaction()], [], id="a small first payment"),
        pytest.param([transaction(amount=100.0)], ["watched"], id="exactly at the limit"),
        pytest.param([transaction(amount=100.01)], ["amount", "watched"], id="a cent over the limit"),
        pytest.param([transaction(amount=5000.0, currency="USD")], ["watched"], id="a currency without a limit"),
        pytest.param([transaction(amount=500.0, kind="refund")], ["watched"], id="a large refund"),
        pytest.param([transaction(amount=60.0, kind="refund", device_id="d")], ["new", "watched"],
                     id="an expression judges refunds too"),
        pytest.param([transaction(transaction_id=f"{n}", after=n) for n in range(2)], [], id="two at once"),
        pytest.param([transaction(transaction_id=f"{n}", after=n) for n in range(3)], ["burst"], id="three at once"),
        pytest.param([*(transaction(transaction_id=f"{n}", after=n) for n in range(2)),
                      transaction(transaction_id="x", after=5, kind="reversal")], [], id="a reversal after two at once"),
        pytest.param([transaction(after=-8 * 3_600, channel="pos")], ["night"], id="at four in the morning"),
        pytest.param([transaction(after=-8 * 3_600, channel="online")], [], id="online, no local clock known"),
        pytest.param([transaction(channel="pos", **BERLIN), transaction(transaction_id="x", after=1, channel="pos", **PARIS)],
                     ["far"], id="Berlin, then Paris"),
    ],
)  # fmt: skip
def test_rules_of_every_kind_judge(stream: Sequence[Transaction], expected: list[str]) -> None:
    assert fired(*stream) == expected


def test_shadow_hits_are_recorded_and_never_flag_alone() -> None:
    engine = Engine()
    decisions = decided(transaction(amount=20.0), transaction(amount=200.0, user_id="v"), engine=engine)

    assert decisions.flagged.tolist() == [False, True]
    (flag,) = flags_of(engine, decisions)
    assert [(hit.rule, hit.mode) for hit in flag.hits] == [("amount", "live"), ("watched", "shadow")]
    assert flag.severity == "medium"


def test_rules_that_are_off_are_not_even_asked() -> None:
    assert "silent" not in {rule.id for rule, _ in decided(transaction(amount=999.0)).hits}


@pytest.mark.parametrize(
    ("amount", "severity"),
    [
        pytest.param(199.0, 0, id="just under the lowest band"),
        pytest.param(200.0, 1, id="exactly at the lowest band"),
        pytest.param(399.0, 1, id="just under the next"),
        pytest.param(400.0, 2, id="at the next"),
        pytest.param(899.0, 3, id="just under the highest"),
        pytest.param(5000.0, 4, id="certain"),
    ],
)
def test_a_score_alone_flags_by_its_band(amount: float, severity: int) -> None:
    no_rules = RULES.split("rules:")[0] + "rules: []\n"
    judged = [transaction(amount=amount), transaction(amount=amount, user_id="v", kind="refund")]

    assert decided(*judged, rules=no_rules, model="m-1").severity.tolist() == [severity, 0]
    assert decided(*judged, rules=no_rules).severity.tolist() == [0, 0]


def test_a_model_that_is_not_there_is_an_error_and_never_left_out() -> None:
    with pytest.raises(KeyError):
        decided(transaction(), model="m-2")


def test_duplicates_conflicts_and_reused_ids_are_told_apart() -> None:
    large = {"amount": 500.0}
    decisions = decided(
        transaction(**large),
        transaction(**large),
        transaction(amount=600.0),
        transaction(after=1, **large),
        transaction(user_id="v", **large),
    )

    assert decisions.duplicates.tolist() == [False, True, False, False, False]
    assert decisions.conflicts.tolist() == [False, False, True, False, False]
    assert decisions.reused.tolist() == [False, False, False, True, False]
    assert decisions.decided.tolist() == decisions.flagged.tolist() == [True, False, False, True, True]


def test_a_currency_without_a_limit_is_counted_once_for_each_payment_that_is_decided() -> None:
    usd = transaction(currency="USD")

    assert decided(usd, usd, transaction(user_id="v")).without_limit.tolist() == [True, False, False]


def test_before_the_first_policy_memory_is_built_and_nothing_decided() -> None:
    engine = Engine()
    early = batch_of(*(transaction(transaction_id=f"{n}", after=n, amount=500.0, currency="EUR") for n in range(3)))

    before = engine.decide(early, None, SCORERS)
    after = engine.decide(batch_of(transaction(transaction_id="x", after=9), first_offset=3), policy_of(), SCORERS)

    assert not before.decided.any()
    assert not before.flagged.any()
    assert [rule.id for rule, answer in after.hits if answer.mask[0]] == ["burst"]


def test_partitions_know_nothing_of_each_other() -> None:
    engine = Engine()
    for partition in range(3):
        batch = batch_of(transaction(transaction_id=f"{partition}", after=partition), partition=partition)
        assert not engine.decide(batch, policy_of(), SCORERS).flagged.any()
    engine.forget(1)

    assert sorted(engine.windows_by_partition) == [0, 2]
