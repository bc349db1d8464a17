from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from models.evaluate import DAY, auc, average_precision, calibration_table, card_precision, case_figures, case_numbers
from tests.builders import NOON


def payments(*rows):
    """(user, hours after noon, label): the id is the place in the list."""
    return pd.DataFrame(
        [(user, f"t{place}", NOON + timedelta(hours=hours), label) for place, (user, hours, label) in enumerate(rows)],
        columns=["user_id", "transaction_id", "event_time", "label"],
    )


def figures(*rows, flagged):
    truth = payments(*rows)
    return case_figures(truth.iloc[list(flagged)].drop(columns="label"), truth)


def test_flags_of_a_user_less_than_a_day_apart_are_one_case():
    flags = payments(("ann", 0, ""), ("bob", 1, ""), ("ann", 23.999, ""), ("ann", 47.999, ""), ("ann", 40, ""))

    cases = case_numbers(flags)

    assert cases[0] == cases[2] == cases[4] == cases[3]
    assert cases[1] != cases[0]


def test_a_full_day_of_silence_begins_a_new_case():
    cases = case_numbers(payments(("ann", 0, ""), ("ann", 24, "")))

    assert cases.nunique() == 2


@pytest.mark.parametrize(
    ("rows", "flagged", "expected"),
    [
        pytest.param([("ann", 0, "fraud")], [0], (1, 1.0, 0.0), id="found"),
        pytest.param([("ann", 0, "fraud")], [], (0, 0.0, None), id="missed"),
        pytest.param([("ann", 0, "legitimate")], [0], (1, None, None), id="a false alarm and no fraud at all"),
        pytest.param([], [], (0, None, None), id="nothing"),
        pytest.param([("ann", 0, "fraud"), ("ann", 1, "fraud")], [1], (1, 1.0, 0.0), id="one flag finds an attack"),
        pytest.param(
            [("ann", 0, "fraud"), ("ann", 1, "legitimate")],
            [1],
            (1, 0.0, None),
            id="a flag beside the fraud finds nothing",
        ),
        pytest.param(
            [("ann", 0, "fraud"), ("ann", 1, "legitimate")], [0, 1], (1, 1.0, 0.0), id="a case with fraud is a bad case"
        ),
        pytest.param(
            [("ann", 0, "fraud"), ("bob", 0, "legitimate"), ("cid", 0, "legitimate"), ("cid", 30, "legitimate")],
            [0, 1, 2, 3],
            (4, 1.0, 3.0),
            id="three good cases for one bad one",
        ),
        pytest.param([("ann", 0, "fraud"), ("ann", 24, "fraud")], [0], (1, 0.5, 0.0), id="two attacks, one found"),
        pytest.param([("ann", 0, "first_party")], [0], (0, None, None), id="first-party is no false alarm"),
        pytest.param([("ann", 0, "first_party")], [], (0, None, None), id="first-party is no missed fraud"),
        pytest.param([("ann", 0, "open")], [0], (0, None, None), id="open is neither"),
    ],
)
def test_case_figures(rows, flagged, expected):
    told = figures(*rows, flagged=flagged)

    assert (told.cases, told.case_recall, told.false_positive_ratio) == expected


def test_a_payment_that_truth_does_not_list_is_legitimate():
    flags = payments(("ann", 0, ""), ("bob", 0, ""))

    told = case_figures(flags, payments(("ann", 0, "fraud")))

    assert (told.cases, told.false_positive_ratio) == (2, 1.0)


def test_frames_that_nobody_wrote_a_row_into_are_fine():
    none = pd.DataFrame(columns=["user_id", "transaction_id", "event_time", "label"])

    assert case_figures(none, payments(("ann", 0, "fraud"))).case_recall == 0.0
    assert case_figures(payments(("ann", 0, "")), none).cases == 1
    assert case_figures(none, none).cases == 0


def test_moments_count_whatever_their_offset_and_resolution():
    truth = payments(("ann", 0, "fraud"))
    flags = truth.assign(
        event_time=truth["event_time"].dt.tz_convert("Asia/Tokyo").astype("datetime64[ns, Asia/Tokyo]")
    )

    assert case_figures(flags, truth).case_recall == 1.0


def test_an_id_used_again_at_another_time_is_another_payment():
    truth = payments(("ann", 0, "fraud"))
    flags = truth.assign(event_time=truth["event_time"] + timedelta(days=3))

    told = case_figures(flags, truth)

    assert (told.case_recall, told.false_positive_ratio) == (0.0, None)


def cards(rows, budget):
    """(day, user, is_fraud, score)."""
    days, users, is_fraud, scores = zip(*rows, strict=True)
    return card_precision(
        np.array(users, dtype=np.uint64),
        np.array(days) * DAY + 5,
        np.array(is_fraud, dtype=np.int8),
        np.array(scores),
        budget,
    )


def test_card_precision_counts_users_not_payments():
    told = cards([(0, 1, 1, 9), (0, 1, 1, 8), (0, 2, 0, 7), (0, 3, 1, 6)], budget=2)

    assert (told.precision, told.ceiling) == (0.5, 1.0)


def test_a_user_found_yesterday_is_not_found_again():
    told = cards([(0, 1, 1, 9), (1, 1, 1, 9), (1, 2, 0, 5)], budget=1)

    assert (told.precision, told.ceiling) == (0.5, 0.5)


def test_a_user_missed_yesterday_can_still_be_found():
    told = cards([(0, 1, 1, 1), (0, 2, 0, 5), (1, 1, 1, 9)], budget=1)

    assert (told.precision, told.ceiling) == (0.5, 1.0)


def test_ties_do_not_depend_on_the_order_of_rows():
    rows = [(0, user, int(user == 1), 5) for user in range(1, 6)]

    assert cards(rows, budget=1) == cards(rows[::-1], budget=1)


def test_payment_figures_on_a_ranking_that_is_known():
    labels, scores = np.array([1, 0, 1, 0], dtype=np.int8), np.array([4, 3, 2, 1])

    assert average_precision(labels, scores) == pytest.approx((1 + 2 / 3) / 2)
    assert auc(labels, scores) == 0.75
    assert auc(labels[:1], scores[:1]) is None


def test_the_calibration_table_holds_said_against_seen():
    random = np.random.default_rng(0)
    said = random.random(20_000) ** 4
    labels = (random.random(20_000) < said).astype(np.int8)

    table = calibration_table(labels, said, bins=5)

    assert sum(row["payments"] for row in table) == 20_000
    assert [row["said"] for row in table] == sorted(row["said"] for row in table)
    for row in table:
        assert row["seen"] == pytest.approx(row["said"], abs=0.03)
