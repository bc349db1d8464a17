"""The same seed gives the same bytes, whatever is asked for, in which order, and how it is cut."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from producer.history import write_history
from producer.population import Population
from producer.stream import Reports, events

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))


def payments_of(population, since, until):
    return [payment for chunk in population.payments(since, until) for payment in chunk]


def wire(payments):
    return [msgspec.json.encode(payment.transaction) for payment in payments]


def test_the_same_seed_gives_the_same_bytes():
    first = payments_of(Population(seed=3, users=40), MARCH, APRIL)
    again = payments_of(Population(seed=3, users=40), MARCH, APRIL)

    assert wire(first) == wire(again)
    assert [payment.truth for payment in first] == [payment.truth for payment in again]


def test_another_seed_is_another_world():
    some = set(wire(payments_of(Population(seed=3, users=40), MARCH, APRIL)))
    others = set(wire(payments_of(Population(seed=4, users=40), MARCH, APRIL)))

    assert not some & others


def test_a_month_alone_is_the_month_of_a_longer_span():
    together = payments_of(Population(seed=3, users=60, fraud_share=0.05), MARCH, MAY)
    apart = [
        *payments_of(Population(seed=3, users=60, fraud_share=0.05), MARCH, APRIL),
        *payments_of(Population(seed=3, users=60, fraud_share=0.05), APRIL, MAY),
    ]

    assert wire(together) == wire(apart)
    assert [payment.truth for payment in together] == [payment.truth for payment in apart]


@pytest.mark.parametrize(
    ("hours", "spans"), [pytest.param(1, 10, id="by the hour"), pytest.param(7, 6, id="across midnights")]
)
def test_any_cut_into_spans_gives_the_same_payments(hours, spans):
    population = Population(seed=3, users=150, fraud_share=0.05)
    cuts = [MARCH + timedelta(hours=hours * number) for number in range(spans + 1)]

    whole = payments_of(population, cuts[0], cuts[-1])
    pieces = [payment for since, until in pairwise(cuts) for payment in payments_of(population, since, until)]

    assert wire(pieces) == wire(whole)


def test_a_users_life_does_not_depend_on_who_else_there_is():
    few = payments_of(Population(seed=3, users=20, fraud_share=0.05), MARCH, APRIL)
    many = payments_of(Population(seed=3, users=200, fraud_share=0.05), MARCH, APRIL)

    same = [payment for payment in many if payment.transaction.user_id < "u000020"]

    assert wire(few) == wire(same)


def test_written_months_are_the_same_bytes_alone_and_together(tmp_path):
    population = Population(seed=5, users=50, fraud_share=0.02)
    write_history(population, MARCH, MAY, tmp_path / "together")
    write_history(population, APRIL, MAY, tmp_path / "alone")

    parts = sorted((tmp_path / "alone").rglob("*"))
    files = [part for part in parts if part.is_file()]

    assert any("labels" in file.parts for file in files)
    for file in files:
        twin = tmp_path / "together" / file.relative_to(tmp_path / "alone")
        assert file.read_bytes() == twin.read_bytes()


def test_payments_and_reports_come_in_order_of_time_and_reports_after_their_payment():
    population = Population(seed=3, users=40, fraud_share=0.3)
    later = Reports()

    happened = list(events(population, MARCH, APRIL, later))

    moments = [
        event.reported_at if isinstance(event, msgspec.Struct) else event.transaction.event_time for event in happened
    ]
    payments = [event for event in happened if not isinstance(event, msgspec.Struct)]
    reports = [event for event in happened if isinstance(event, msgspec.Struct)]
    assert moments == sorted(moments)
    assert all(report.reported_at > report.event_time for report in reports)
    assert len(reports) + len(later) == sum(payment.truth.label is not None for payment in payments)
    assert reports
    assert len(later)
