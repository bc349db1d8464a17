import pytest

from dashboard.breaker import Breaker
from fraud.errors import StoreError


class Store:
    """Counts what it is asked."""

    def __init__(self):
        self.is_away = False
        self.asked = 0

    def question(self):
        self.asked += 1
        if self.is_away:
            raise StoreError("away")
        return 42


@pytest.mark.parametrize(
    ("later", "asked"),
    [
        pytest.param(0.0, 1, id="at once"),
        pytest.param(2.9, 1, id="within the pause"),
        pytest.param(3.0, 2, id="after it"),
    ],
)
def test_a_store_that_failed_is_left_alone_for_a_moment(later, asked):
    time = [100.0]
    store, breaker = Store(), Breaker(3.0, clock=lambda: time[0])
    store.is_away = True
    with pytest.raises(StoreError, match="away"):
        breaker.ask(store.question)

    time[0] += later
    with pytest.raises(StoreError, match="away"):
        breaker.ask(store.question)

    assert store.asked == asked


def test_one_answer_and_everything_passes_again():
    time = [100.0]
    store, breaker = Store(), Breaker(3.0, clock=lambda: time[0])
    store.is_away = True
    with pytest.raises(StoreError):
        breaker.ask(store.question)

    store.is_away = False
    time[0] += 3.0

    assert [breaker.ask(store.question) for _ in range(3)] == [42, 42, 42]
