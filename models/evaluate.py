"""Honest numbers: cases first, then payments. Every function is pure: frames and arrays in, numbers out.

A case is a user's flags less than 24 h of event time apart; so is an attack, of a user's fraud payments. First-party payments
(the user did it and denies it) are on neither side: no fraud to find and no false alarm. `open` payments are left out likewise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from fraud.columns import Floats, Hashes, Ints
from fraud.schema import LabelValue

CASE_GAP = pd.Timedelta(hours=24)
DAY = 86_400_000_000
PAYMENT = ["user_id", "transaction_id", "event_time"]
"""What names a payment: an id may be used again at another event time."""
Labels = npt.NDArray[np.int8]
"""1 fraud, 0 legitimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFigures:
    """What the flags were worth to those who work through them."""

    cases: int
    """Cases that are fraud or false alarm."""
    attacks: int
    """Cases of fraud that there were, found or not."""
    case_recall: float | None
    """Share of the attacks with a flag on one of their payments; None without an attack."""
    false_positive_ratio: float | None
    """n good cases for 1 bad one; None without a bad one."""


def case_figures(flags: pd.DataFrame, truth: pd.DataFrame) -> CaseFigures:
    """Hold flags against the truth.

    Both have the columns user_id, transaction_id, event_time (aware datetimes); truth has `label` too (fraud, legitimate,
    first_party, open). A payment that truth does not list is legitimate.
    """
    flags, truth = _in_utc(flags), _in_utc(truth)
    flagged = flags[PAYMENT].merge(truth[[*PAYMENT, "label"]].drop_duplicates(PAYMENT), on=PAYMENT, how="left")
    flagged = flagged.assign(
        is_fraud=flagged["label"].eq(LabelValue.FRAUD),
        is_good=flagged["label"].fillna(LabelValue.LEGITIMATE).eq(LabelValue.LEGITIMATE),
    )
    cases = flagged.groupby(case_numbers(flagged))[["is_fraud", "is_good"]].any()
    bad, good = int(cases["is_fraud"].sum()), int((cases["is_good"] & ~cases["is_fraud"]).sum())
    found = _attacks_found(flags, truth)
    return CaseFigures(
        cases=bad + good,
        attacks=len(found),
        case_recall=float(found.mean()) if len(found) else None,
        false_positive_ratio=good / bad if bad else None,
    )


def _in_utc(payments: pd.DataFrame) -> pd.DataFrame:
    """Event times as microseconds in UTC; a frame without rows gets the types of one with rows."""
    times = pd.to_datetime(payments["event_time"], utc=True).astype("datetime64[us, UTC]")
    return payments.assign(event_time=times).astype({"user_id": "str", "transaction_id": "str"})


def case_numbers(payments: pd.DataFrame) -> pd.Series:
    """A number for each row's case: the rows of one user, in order of event time, with less than 24 h between neighbours."""
    ordered = payments[["user_id", "event_time"]].sort_values(["user_id", "event_time"], kind="stable")
    is_same_user = ordered["user_id"].eq(ordered["user_id"].shift())
    is_near = ordered["event_time"].diff() < CASE_GAP
    return (~(is_same_user & is_near)).cumsum().reindex(payments.index)


def _attacks_found(flags: pd.DataFrame, truth: pd.DataFrame) -> "pd.Series[bool]":
    """For each attack, whether one of its payments is flagged."""
    frauds = truth.loc[truth["label"].eq(LabelValue.FRAUD), PAYMENT].drop_duplicates().reset_index(drop=True)
    is_flagged = frauds.merge(flags[PAYMENT].drop_duplicates(), on=PAYMENT, how="left", indicator=True)["_merge"].eq(
        "both"
    )
    return is_flagged.groupby(case_numbers(frauds)).any()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPrecision:
    """Of the 100 users a day with the highest scores, how many were defrauded that day."""

    precision: float
    ceiling: float
    """What a perfect model would reach: on most days fewer than 100 users are defrauded."""


def card_precision(
    users: Hashes, times: Ints, labels: Labels, scores: Ints | Floats, budget: int = 100
) -> CardPrecision:
    """Card precision@budget, mean over the UTC days of `times` (microseconds).

    A user found on one day is not looked at on later ones (Le Borgne et al., Fraud Detection Handbook, chapter 4). Ties go to
    the smaller user hash, so that the figure does not depend on the order of rows.
    """
    payments = pd.DataFrame({"user": users, "day": times // DAY, "is_fraud": labels == 1, "score": scores})
    days = payments.groupby(["day", "user"], as_index=False).agg(is_fraud=("is_fraud", "any"), score=("score", "max"))
    found: set[int] = set()
    hits, possible = [], []
    for _, day in days.groupby("day"):
        open_users = day[~day["user"].isin(found)]
        top = open_users.sort_values(["score", "user"], ascending=[False, True]).head(budget)
        caught = top.loc[top["is_fraud"], "user"]
        found.update(caught)
        hits.append(len(caught) / budget)
        possible.append(min(int(open_users["is_fraud"].sum()), budget) / budget)
    return CardPrecision(precision=float(np.mean(hits)), ceiling=float(np.mean(possible)))


def average_precision(labels: Labels, scores: Ints | Floats) -> float:
    """Area under precision over recall, payment by payment."""
    return float(average_precision_score(labels, scores))


def auc(labels: Labels, scores: Ints | Floats) -> float | None:
    """The chance that a fraud payment scores above a legitimate one; None when there is only one kind."""
    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else None


def brier(labels: Labels, probabilities: Floats) -> float:
    """Mean squared distance of probability and outcome."""
    return float(np.mean((probabilities - labels) ** 2))


def calibration_table(labels: Labels, probabilities: Floats, bins: int = 10) -> list[dict[str, float]]:
    """Said and seen: groups of equally many frauds' worth of probability, from the lowest to the highest scores.

    Groups of equally many payments would put all but one among scores of nearly 0.
    """
    order = np.argsort(probabilities, kind="stable")
    expected = np.cumsum(probabilities[order])
    group = np.minimum((expected / max(expected[-1], 1e-12) * bins).astype(np.int64), bins - 1)
    return [
        {
            "payments": int((group == number).sum()),
            "said": float(probabilities[order][group == number].mean()),
            "seen": float(labels[order][group == number].mean()),
        }
        for number in np.unique(group)
    ]
