from datetime import timedelta

import numpy as np
import pytest

from fraud.errors import UsageError
from fraud.features import MODEL_FEATURES, Features
from fraud.schema import Kind, LabelValue
from fraud.windows import Windows, new_outputs
from models import artifact, point_in_time
from models.point_in_time import Sight
from models.scorer import matrix_of
from models.train import Settings, train_on_history
from tests.builders import batch_of
from tests.models.histories import START, learnable, paid, told, written


def sight(day, maturity=10.0, warm_up=0.0):
    return Sight(as_of=START + timedelta(days=day), maturity=timedelta(days=maturity), warm_up=timedelta(days=warm_up))


def days_of(data):
    return ((data.times - data.times.dtype.type(START.timestamp() * 1e6)) / 86_400e6).tolist()


def test_features_are_those_that_the_stream_computes_one_payment_at_a_time(tmp_path):
    payments = [
        paid(day / 4, user_id=f"u{day % 3}", amount=1.0 + day, merchant_id=f"m{day % 7}", channel="pos")
        for day in range(200)
    ]
    windows, one_by_one = Windows(), []
    for place, payment in enumerate(payments):
        batch, outputs = batch_of(payment, first_offset=place), new_outputs(1)
        windows.advance(batch, np.array([0]), outputs, np.empty(1, np.int64))
        one_by_one.append(matrix_of(Features(batch, outputs), MODEL_FEATURES))

    data = point_in_time.load(written(tmp_path, payments), sight(day=100))

    assert data.features == MODEL_FEATURES
    np.testing.assert_array_equal(data.matrix, np.concatenate(one_by_one))


@pytest.mark.parametrize(
    ("as_of", "seen"),
    [
        pytest.param(19.99, [0.0], id="a moment too young"),
        pytest.param(20, [0.0], id="mature only when the horizon has passed"),
        pytest.param(20.01, [0.0, 10.0], id="just mature"),
    ],
)
def test_only_mature_payments_are_learnt_from(tmp_path, as_of, seen):
    data = point_in_time.load(written(tmp_path, [paid(0), paid(10), paid(19)]), sight(as_of))

    assert days_of(data) == seen


def test_a_young_payment_stays_open_even_when_its_fraud_was_reported(tmp_path):
    payments = [paid(0), paid(15)]

    data = point_in_time.load(written(tmp_path, payments, [told(payments[1])]), sight(20))

    assert (days_of(data), data.labels.tolist()) == ([0.0], [0])


def test_a_report_that_came_later_is_not_known(tmp_path):
    payments = [paid(0), paid(1)]
    root = written(tmp_path, payments, [told(payments[0], after_days=5), told(payments[1], after_days=50)])

    assert point_in_time.load(root, sight(30)).labels.tolist() == [1, 0]
    assert point_in_time.load(root, sight(60)).labels.tolist() == [1, 1]


def test_first_party_fraud_is_neither_fraud_nor_legitimate(tmp_path):
    payments = [paid(0), paid(1), paid(2)]
    reports = [told(payments[1], LabelValue.FIRST_PARTY), told(payments[2])]

    data = point_in_time.load(written(tmp_path, payments, reports), sight(30))

    assert (days_of(data), data.labels.tolist()) == ([0.0, 2.0], [0, 1])


def test_a_label_says_nothing_of_a_payment_that_used_the_id_again(tmp_path):
    payments = [paid(0, transaction_id="t"), paid(1, transaction_id="t"), paid(1, transaction_id="t", user_id="u-two")]

    data = point_in_time.load(written(tmp_path, payments, [told(payments[1])]), sight(30))

    assert data.labels.tolist() == [0, 1, 0]


def test_redelivered_payments_refunds_and_reversals_teach_nothing(tmp_path):
    payments = [paid(0), paid(0), paid(1, kind=Kind.REFUND), paid(2, kind=Kind.REVERSAL), paid(3, kind=Kind.CASH)]

    data = point_in_time.load(written(tmp_path, payments), sight(30))

    assert days_of(data) == [0.0, 3.0]


@pytest.mark.parametrize(
    ("warm_up", "first"),
    [
        pytest.param(0, 0.0, id="none wanted"),
        pytest.param(8, 8.0, id="as long as wanted"),
        pytest.param(30, 10.0, id="a quarter of a short history"),
    ],
)
def test_the_first_payments_only_build_memory(tmp_path, warm_up, first):
    root = written(tmp_path, [paid(day) for day in range(51)])

    data = point_in_time.load(root, sight(50, warm_up=warm_up))

    assert days_of(data)[0] == first
    counts = data.matrix[:, MODEL_FEATURES.index("count_30d")]
    assert counts[0] == min(first, 30), "they are remembered all the same"


def test_payments_made_later_than_the_day_of_looking_are_not_there(tmp_path):
    payments = [paid(0), paid(1)]
    late = paid(0.5, transaction_id="late")
    both = written(tmp_path / "both", [*payments, late, paid(40)])
    early = written(tmp_path / "early", [*payments, late])

    one, other = point_in_time.load(both, sight(30)), point_in_time.load(early, sight(30))

    np.testing.assert_array_equal(one.matrix, other.matrix)


def test_the_last_payment_ends_the_history(tmp_path):
    root = written(tmp_path, [paid(0), paid(40), paid(39)])

    assert point_in_time.end_of_history(root) == START + timedelta(days=40)
    assert point_in_time.count_history(root) == 3


def test_progress_is_told_payment_by_payment(tmp_path):
    done: list[int] = []

    point_in_time.load(written(tmp_path, [paid(0), paid(1), paid(40)]), sight(50), done.append)

    assert sum(done) == 3


@pytest.mark.parametrize(
    ("payments", "day", "line"),
    [
        pytest.param([], 30, r"^no history under .*: `fraud history --out .*$", id="no history"),
        pytest.param(
            [paid(0), paid(5)], 9, r"^no mature payment as of 2026-01-10: .* 10 days; .*$", id="all too young"
        ),
        pytest.param([paid(0, kind=Kind.REFUND)], 30, "^no payment to learn from between .*$", id="only refunds"),
    ],
)
def test_a_history_that_teaches_nothing_is_one_line(tmp_path, payments, day, line):
    written(tmp_path, payments)

    with pytest.raises(UsageError, match=line):
        point_in_time.load(tmp_path, sight(day))


def test_the_same_history_gives_the_same_model_with_its_card_beside_it(tmp_path):
    root, small = learnable(tmp_path), Settings(trees=5)

    first = train_on_history(root, sight(100), small)
    second = train_on_history(root, sight(100), small)

    assert first.model.model_id == second.model.model_id
    assert artifact.load(root, first.model.model_id).features == MODEL_FEATURES
    card = artifact.load_card(root, first.model.model_id)
    assert card["history"]["as_of"] == "2026-04-11T00:00:00+00:00"
    assert card["metrics"]["average_precision"] > 0.5
