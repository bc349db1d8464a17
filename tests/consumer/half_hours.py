"""Half an hour of traffic with everything in it that can happen to a record, under two policies."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.builders import NOON, transaction
from tests.consumer.roads import STRICTER, Road


def payments(count: int, first: int = 0) -> list[Any]:
    """Payments of seven users, some large, now and then a broken message, a repeat or a conflict."""
    made: list[Any] = []
    for number in range(first, first + count):
        payment = transaction(
            transaction_id=f"t-{number}",
            user_id=f"u-{number % 7}",
            event_time=NOON + timedelta(seconds=number * 20),
            amount=float(number * 37 % 160),
            merchant_id=f"m-{number % 5}",
            channel="pos",
            latitude=50.0 + number % 3,
            longitude=4.0,
        )
        made.append(payment)
        if number % 11 == 0:
            made.append(b'{"transaction_id": "broken')
        if number % 13 == 0:
            made.append(payment)
        if number % 17 == 0:
            made.append(
                transaction(
                    transaction_id=f"t-{number}",
                    user_id=f"u-{number % 7}",
                    event_time=payment.event_time,
                    amount=1.0,
                )
            )
    return made


def half_hour(folder: Path) -> Road:
    """Some payments before the first policy, then two policies; one change lies inside a file of the archive."""
    road = Road(folder)
    road.send(payments(12), seconds=21)
    road.policy()
    road.send(payments(40, first=12), seconds=21)
    road.policy(STRICTER)
    road.send(payments(30, first=52), seconds=21)
    return road


EVERYTHING = len(payments(12)) + len(payments(40, first=12)) + len(payments(30, first=52))
"""Records of it."""
