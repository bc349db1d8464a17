"""Sending dead letters to `transactions` again: those that decode now, each under its user's key as producers send it.

Sending one twice is safe: the engine counts the second as a duplicate.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

import numpy as np

from consumer.deciding import intake_under
from consumer.letters import Letter
from fraud.batch import Polled
from fraud.dead_letters import Reason
from fraud.decoding import Intake, decode
from fraud.errors import PolicyError
from fraud.policy import Policy

AT_ONCE = 500
"""Letters decoded together: at most some 50 MB."""


class Unfit(StrEnum):
    """Why a letter cannot be sent whatever its payload says now; beside the reasons of `Reason`."""

    MASKED = "masked"
    TRUNCATED = "truncated"
    BROKEN_LINE = "broken_line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A letter that somebody asks to send again."""

    place: str
    """A line of a file, or topic-partition-offset."""
    payload: bytes
    reason: str
    """Why it was refused; empty where nobody says."""
    masked: bool = False
    truncated: bool = False
    is_edited: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A letter that is not sent."""

    place: str
    reason: str
    """Of `Reason` or `Unfit`."""
    detail: str
    """One line for people; never holds card data."""


@dataclass(slots=True)
class Resent:
    """What became of the letters."""

    read: int = 0
    sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason of `Reason` or `Unfit`."""


def intake_of(policy: Policy | None) -> Intake:
    """How a policy reads payments. Raises PolicyError where there is none: what is sent would not be decided."""
    if policy is None:
        raise PolicyError("no policy was published: payments would be counted and not decided; run `fraud init` first")
    return intake_under(policy)


def candidate_of(letter: Letter) -> Candidate:
    """A letter as it lies in the log."""
    dead = letter.dead
    return Candidate(
        place=letter.place,
        payload=letter.payload,
        reason=dead.reason.value,
        masked=dead.masked,
        truncated=dead.truncated,
    )


def resend(
    asked: Iterable[Candidate | Refusal],
    intake: Intake,
    now: Callable[[], int],
    send: Callable[[bytes, bytes], None],
    on_refusal: Callable[[Refusal], None] = lambda _refusal: None,
) -> Resent:
    """Send what decodes, in its order, by `send(key, value)`; a Refusal among the letters is one already.

    `now` in microseconds is what event times are compared with: the log would take the payment then.
    """
    resent = Resent()
    for letters in _some(asked):
        judged = [(letter, _unfit(letter)) for letter in letters]
        fit = [letter for letter, refusal in judged if isinstance(letter, Candidate) and refusal is None]
        decoded = iter(_decoded(fit, intake, now()))
        for _, unfit in judged:
            answer = unfit or next(decoded)
            resent.read += 1
            if isinstance(answer, Refusal):
                resent.refused[str(answer.reason)] += 1
                on_refusal(answer)
            else:
                send(*answer)
                resent.sent += 1
    return resent


def _decoded(letters: Sequence[Candidate], intake: Intake, now: int) -> list[tuple[bytes, bytes] | Refusal]:
    """Of each letter key and value to send, or why it still does not decode."""
    decoded = decode(_polled(letters, now), intake)
    answers: dict[int, tuple[bytes, bytes] | Refusal] = {
        dead.offset: Refusal(letters[dead.offset].place, dead.reason.value, dead.detail) for dead in decoded.dead
    }
    for payment, row in enumerate(decoded.rows.tolist()):
        user = decoded.batch.rows.transaction(payment).user_id
        answers[row] = (user.encode(), letters[row].payload)
    return [answers[row] for row in range(len(letters))]


def _some(asked: Iterable[Candidate | Refusal]) -> Iterator[list[Candidate | Refusal]]:
    rest = iter(asked)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _unfit(letter: Candidate | Refusal) -> Refusal | None:
    """Why a letter is not even decoded."""
    if isinstance(letter, Refusal):
        return letter
    if letter.masked:
        return Refusal(letter.place, Unfit.MASKED, _MASKED)
    if letter.truncated:
        return Refusal(letter.place, Unfit.TRUNCATED, _TRUNCATED)
    if letter.reason in _NEED_AN_EDIT and not letter.is_edited:
        return Refusal(letter.place, letter.reason, _NEED_AN_EDIT[letter.reason])
    return None


_MASKED = "card data was masked, so it cannot be replayed: send the payment again from its source, without card data"
_TRUNCATED = "only its beginning was kept, so it cannot be replayed: send the payment again from its source"
_NEED_AN_EDIT = {
    Reason.ID_CONFLICT.value: "it would conflict again: the first payment under its id counts; if this is another, edit its transaction_id",
    Reason.UNENCODABLE.value: "memory holds it, so it would count as a duplicate: edit what the store cannot keep, and its transaction_id",
}
"""Letters that decode as they are, and would come to nothing."""


def _polled(letters: Sequence[Candidate], received_at: int) -> Polled:
    """As if the log took them now; offsets are their rows."""
    count = len(letters)
    return Polled(
        partition=np.zeros(count, np.int64),
        offset=np.arange(count, dtype=np.int64),
        received_at=np.full(count, received_at, np.int64),
        values=[letter.payload for letter in letters],
    )
