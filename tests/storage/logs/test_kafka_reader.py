"""What a Kafka client tells of its group, one change after the other, becomes one answer."""

import pytest

from storage.logs.kafka_reader import assignment_of
from storage.logs.log import Assignment

SETTLED = ("settled", None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([], Assignment(), id="nothing"),
        pytest.param([("gained", 0), SETTLED], Assignment(gained=(0,), is_settled=True), id="a partition came"),
        pytest.param([SETTLED], Assignment(is_settled=True), id="a rebalance that gave nothing"),
        pytest.param([("lost", 0)], Assignment(lost=(0,)), id="a rebalance has begun"),
        pytest.param(
            [("lost", 0), ("gained", 0), SETTLED],
            Assignment(gained=(0,), lost=(0,), is_settled=True),
            id="a partition came back",
        ),
        pytest.param(
            [("gained", 0), ("gained", 1), SETTLED, ("lost", 0), ("lost", 1)],
            Assignment(lost=(0, 1)),
            id="the next rebalance has begun already",
        ),
        pytest.param(
            [SETTLED, ("lost", 0), ("gained", 0), SETTLED],
            Assignment(gained=(0,), lost=(0,), is_settled=True),
            id="two rebalances are over",
        ),
    ],
)
def test_a_group_is_settled_until_something_is_lost_again(
    changes: list[tuple[str, int | None]], expected: Assignment
) -> None:
    assert assignment_of(changes) == expected
