"""What every flag store promises when several write the same at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from fraud.decision import Flag
from storage.flags.flag_store import FlagStore
from tests.storage.flags.conftest import Place
from tests.storage.flags.flag_builders import NOON, a_flag, a_minute, flagged_by_counts, put, the_day


def at_once(*calls: Callable[[], None]) -> None:
    """Run each in a thread of its own; the first failure is the test's."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()


def test_writers_that_store_the_same_at_once_leave_one_each(place: Place, store: FlagStore):
    flags = [a_flag(number) for number in range(40)]
    orders: list[list[Flag]] = [flags, flags[::-1], flags[20:] + flags[:20]]
    writers = [place.connect() for _order in orders]
    start = threading.Barrier(len(writers))
    refused: list[str] = []

    def write(writer: FlagStore, order: list[Flag], last: int) -> None:
        start.wait()
        for offset in range(last, last + 3):
            minutes = [a_minute(offset, minute=NOON + timedelta(minutes=number)) for number in range(5)]
            refused.extend(put(writer, order, minutes))

    at_once(
        *[partial(write, writer, order, last) for last, (writer, order) in enumerate(zip(writers, orders, strict=True))]
    )

    for writer in writers:
        writer.close()
    assert refused == []
    assert flagged_by_counts(store) == (40, 40, 40)
    assert store.minutes(NOON, NOON + timedelta(hours=1))["up_to_offset"].tolist() == [4] * 5


def test_of_minutes_that_several_write_first_at_once_the_newest_stay(place: Place, store: FlagStore):
    moments = [NOON + timedelta(minutes=number) for number in range(60)]
    writers = [place.connect() for _writer in range(4)]
    start = threading.Barrier(len(writers))

    def write(writer: FlagStore, offset: int) -> None:
        writer.flag_count(the_day())  # connects
        start.wait()
        put(writer, [], [a_minute(offset, minute=moment) for moment in moments])

    at_once(*[partial(write, writer, offset) for offset, writer in enumerate(writers)])

    for writer in writers:
        writer.close()
    assert store.minutes(NOON, NOON + timedelta(hours=1))["up_to_offset"].tolist() == [3] * 60
