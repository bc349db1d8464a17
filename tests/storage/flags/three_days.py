"""Flags of three days with every oddity, and what a filter finds among them by hand."""

import random
from datetime import datetime, timedelta

from fraud.decision import Flag, Severity
from storage.flags.flag_store import FlagFilter
from tests.storage.flags.flag_builders import NOON, a_flag, a_hit

ODD_NAMES = [
    "50% Off (Shop)",
    "5000 Off Shop",
    "a.b*c",
    "aXbbc",
    "A_B",
    "AxB",
    "C:\\Shop",
    "$amount",
    "Straße",
    "ÉCLAIR",
    "[x]^$|?+",
    "it's",
]
STEPS_MS = [0, 0, 1, 999, 1_000, 17_000, 59_999, 60_000, 600_000, 3_600_000, 7_200_000]


def flags_of_three_days() -> list[Flag]:
    """Flags with ties, on the borders of seconds, minutes, hours and days, and with everything optional present or absent."""
    draw = random.Random(7)
    received_at = NOON - timedelta(days=1, hours=12)
    flags = []
    for number in range(240):
        received_at += timedelta(milliseconds=draw.choice(STEPS_MS))
        hits = tuple(
            a_hit(rule, mode=draw.choice(["live", "live", "shadow"]))
            for rule in draw.sample(["high_amount", "burst", "far_away"], draw.randrange(3))
        )
        flags.append(
            a_flag(
                number,
                received_at=received_at,
                event_time=received_at
                - timedelta(microseconds=draw.choice([0, 1, 1_500, 90_000_000, 3_600_000_000, 9 * 86_400_000_000])),
                user_id=f"user-{draw.randrange(9)}",
                severity=draw.choice([severity.word for severity in Severity]),
                amount=draw.choice([0.0, 0.1, 0.2, 19.99, 812.005, 1_000.0, 123_456_789.25]),
                currency=draw.choice(["EUR", "EUR", "JPY", "KWD", None]),
                country=draw.choice(["BE", "FR", "US", None]),
                merchant_name=draw.choice([*ODD_NAMES, None]),
                city=draw.choice(["Gent", "Liège", None]),
                hits=hits,
            )
        )
    return flags


FLAGS = flags_of_three_days()


def clock_of(flag: Flag, wanted: FlagFilter) -> datetime:
    at: datetime = getattr(flag, wanted.time)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def found_by_hand(wanted: FlagFilter) -> list[Flag]:
    """The contract's words as a loop."""

    def fits(flag: Flag) -> bool:
        payment = flag.transaction
        texts = (payment.transaction_id, payment.user_id, payment.merchant_name or "", payment.city or "")
        live = {hit.rule for hit in flag.hits if hit.mode == "live"}
        return (
            wanted.since <= clock_of(flag, wanted) < wanted.until
            and (not wanted.severities or flag.severity in wanted.severities)
            and (not wanted.rules or bool(live & set(wanted.rules)))
            and (not wanted.users or payment.user_id in wanted.users)
            and (not wanted.countries or payment.country in wanted.countries)
            and (wanted.min_amount is None or payment.amount >= wanted.min_amount)
            and any(wanted.text.casefold() in text.casefold() for text in texts)
        )

    found = sorted(filter(fits, FLAGS), key=lambda flag: flag.id)
    return sorted(found, key=lambda flag: clock_of(flag, wanted), reverse=True)
