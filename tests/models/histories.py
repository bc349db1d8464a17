"""Small Parquet histories with their labels."""

from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np

from fraud.schema import Label, LabelSource, LabelValue
from storage import labels
from storage.history import HistoryWriter
from tests.builders import transaction

START = datetime(2026, 1, 1, tzinfo=UTC)


def paid(day, **what_matters):
    """A payment so many days after START; the day names it."""
    return transaction(**{"transaction_id": f"t-{day}", "event_time": START + timedelta(days=day), **what_matters})


def told(payment, label=LabelValue.FRAUD, after_days=1.0):
    """A report about a payment, so many days later."""
    return Label(
        transaction_id=payment.transaction_id,
        user_id=payment.user_id,
        event_time=payment.event_time,
        source=LabelSource.FRAUD_REPORT,
        label=label,
        reported_at=payment.event_time + timedelta(days=after_days),
    )


def written(root, payments, reports=()):
    writer = HistoryWriter(root, seed=None)
    for (year, month), of_month in groupby(payments, key=lambda p: (p.event_time.year, p.event_time.month)):
        writer.write_month(year, month, [[payment] for payment in of_month])
    labels.write(root, "all", reports)
    return root


def learnable(root):
    """75 days of 40 users, a tenth of it fraud of high amounts, reported a day later."""
    random = np.random.default_rng(0)
    frauds = random.random(1_500) < 0.1
    payments = [
        paid(place / 20, user_id=f"u{place % 40}", amount=round(float(random.lognormal(3 + 2 * is_fraud, 0.5)), 2))
        for place, is_fraud in enumerate(frauds)
    ]
    return written(
        root, payments, [told(payment) for payment, is_fraud in zip(payments, frauds, strict=True) if is_fraud]
    )
