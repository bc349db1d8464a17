"""A rate is met exactly, and whoever is drawn for it still lives a plausible life."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from fraud.decision import micros
from producer.crowd import Crowd, windows
from producer.drafts import NEVER
from producer.population import Population
from producer.rhythm import SECOND

START = micros(datetime(2026, 6, 3, 15, 20, tzinfo=UTC))


def all_of(population, rate, seconds, speedup=1.0):
    crowd = Crowd(population, START)
    return list(windows(crowd, rate, speedup, seconds))


@pytest.mark.parametrize(
    ("rate", "seconds", "speedup"),
    [
        pytest.param(200.0, 10, 1.0, id="far more than the users make"),
        pytest.param(0.5, 60, 1.0, id="about what the users make"),
        pytest.param(0.01, 300, 1.0, id="less than the users make"),
        pytest.param(33.3, 7, 600.0, id="faster than life, no whole number"),
    ],
)
def test_as_many_payments_as_asked_for_evenly_spread(rate, seconds, speedup):
    found = all_of(Population(seed=7, users=3_000), rate, seconds, speedup)

    at = np.concatenate([drafts.at for drafts in found])
    assert len(at) == round(rate * seconds)
    assert (np.diff(at) > 0).all()
    assert at[0] >= START
    assert at[-1] < START + seconds * speedup * SECOND
    assert np.diff(at) == pytest.approx(speedup * SECOND / rate, rel=0.5)


def test_a_rate_above_what_the_users_make_draws_further_users():
    population = Population(seed=7, users=100)

    users = np.concatenate([drafts.user for drafts in all_of(population, 100.0, 20)])

    assert users.max() >= population.users
    assert len(np.unique(users)) > 1_500
    assert Counter(users.tolist()).most_common(1)[0][1] < 30


def test_a_rate_below_what_the_users_make_leaves_out_the_last_users():
    population = Population(seed=7, users=4_000)

    users = np.concatenate([drafts.user for drafts in all_of(population, 0.01, 20_000)])

    assert len(users) == 200
    assert users.max() < population.users / 4


def test_the_users_themselves_pay_when_they_would_have_paid():
    population = Population(seed=7, users=2_000)
    natural = population.drafts(np.arange(2_000), START, START + 600 * SECOND)

    found = all_of(population, 1.0, 600)
    moved = {
        (int(user), int(key)): int(at)
        for drafts in found
        for user, key, at in zip(drafts.user, drafts.key, drafts.at, strict=True)
    }

    late = [
        abs(moved[int(user), int(key)] - int(at))
        for user, key, at in zip(natural.user, natural.key, natural.at, strict=True)
    ]
    assert late
    assert max(late) <= 50 * SECOND


def test_further_users_are_the_same_ones_hour_after_hour():
    population = Population(seed=7, users=50)
    users = np.concatenate([drafts.user for drafts in all_of(population, 1.0, 60 * 4, speedup=60.0)])
    hours = np.array_split(users, 4)

    reach = [hour.max() for hour in hours[1:3]]

    assert max(reach) < 2.5 * min(reach)


def test_reports_keep_their_delay_when_a_payment_is_moved():
    population = Population(seed=7, users=10, fraud_share=0.3)

    drafts = [draft for draft in all_of(population, 50.0, 30) if (draft.reported_at != NEVER).any()]

    known = [part.take(part.reported_at != NEVER) for part in drafts]
    assert known
    assert all((part.reported_at > part.at).all() for part in known)
