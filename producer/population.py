"""The users of one world, and everything that they and those who rob them pay."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from fraud.columns import Ints
from fraud.decision import micros
from fraud.schema import User
from producer.compromises import LONGEST, Underworld
from producer.drafts import Drafts
from producer.moments import Diary
from producer.ordinary import Ordinary
from producer.payments import Payment, payments
from producer.reports import report_fraud, report_honest
from producer.rhythm import DAY
from producer.scenarios.catalogue import ATTACKS, HARD_NEGATIVES, NAMES
from producer.world import World

_USERS_AT_ONCE = 4_096
_PAYMENTS_AT_ONCE = 16_384


class Population:
    """Users 0 to `users` - 1 of a seed. Any span of anyone's life can be asked for, in any order, and is always the same."""

    def __init__(self, *, seed: int = 7, users: int = 20_000, fraud_share: float = 0.004) -> None:
        """`fraud_share` of all payments are fraud, in the long run."""
        self.seed = seed
        self.users = users
        self.fraud_share = fraud_share
        self.world = World.of(seed)
        self._underworld = Underworld(
            self.world.draws,
            self.world.users,
            fraud_share,
            [attack.share for attack in ATTACKS],
            [attack.payments for attack in ATTACKS],
        )
        self._diary = Diary(self.world.draws, self.world.users)
        self._ordinary = Ordinary(self.world, self._diary)

    def payments(self, since: datetime, until: datetime) -> Iterator[list[Payment]]:
        """All payments with since <= event_time < until in order of time, some thousand at a time."""
        yield from self.made(self.drafts(np.arange(self.users), micros(since), micros(until)))

    def made(self, drafts: Drafts) -> Iterator[list[Payment]]:
        """Payments of drafts, in their order, some thousand at a time."""
        for start in range(0, len(drafts), _PAYMENTS_AT_ONCE):
            chunk = drafts.take(np.arange(start, min(start + _PAYMENTS_AT_ONCE, len(drafts))))
            yield payments(chunk, self.world, self._underworld)

    def drafts(self, users: Ints, since: int, until: int) -> Drafts:
        """Drafts of the users with since <= at < until (microseconds), in order of time, then user."""
        whole_days = max((until - since) // DAY, 1)
        at_once = max(_USERS_AT_ONCE * 8 // int(whole_days), 256)
        parts = [
            self._of(users[start : start + at_once], since, until) for start in range(0, max(len(users), 1), at_once)
        ]
        drafts = Drafts.joined(parts)
        return drafts.take(np.lexsort((drafts.key, drafts.user, drafts.at)))

    def describe(self, since: int, until: int) -> list[User]:
        """Users by index, for topic `users`."""
        return self.world.users.describe(np.arange(since, until))

    def per_day(self, since: datetime, until: datetime, sample: int = 400) -> float:
        """Payments of one user and day on average, counted on the first users."""
        users = np.arange(min(sample, max(self.users, 1)))
        found = self._diary.between(users, micros(since), micros(until))
        days = max((micros(until) - micros(since)) / DAY, 1e-9)
        return len(found) / len(users) / days

    def _of(self, users: Ints, since: int, until: int) -> Drafts:
        honest = self._honest(users, since, until)
        return Drafts.joined([honest, *self._stolen(users, since, until)])

    def _honest(self, users: Ints, since: int, until: int) -> Drafts:
        drafts = self._ordinary.drafts(self._diary.between(users, since, until))
        for number, scenario in enumerate(HARD_NEGATIVES):
            drafts.scenario[scenario.apply(drafts, self.world)] = 1 + len(ATTACKS) + number
        report_honest(drafts, NAMES, self.world)
        _, blocked = self._underworld.cards(drafts.user, drafts.card, drafts.at)
        return drafts.take(~blocked)

    def _stolen(self, users: Ints, since: int, until: int) -> list[Drafts]:
        """Fraud of every attack in the span."""
        compromises = self._underworld.between(users, since - LONGEST, until)
        parts = []
        for number, attack in enumerate(ATTACKS):
            own = compromises.take(compromises.attack == number)
            steps = attack.steps(own, self.world)
            started = own.started_at[steps.row]
            lives = (steps.at < own.reported_at[steps.row]) & (steps.at < started + LONGEST)
            row = np.flatnonzero(lives & (steps.at >= since) & (steps.at < until))
            victims = own.take(steps.row[row])
            drafts = Drafts.blank(
                user=victims.user,
                key=self.world.draws.bits("fraud", victims.key, steps.number[row]),
                at=steps.at[row],
                home=victims.home,
                city=victims.home.copy(),
            )
            attack.fill(victims, steps.number[row], drafts, self.world)
            drafts.fraud[:] = True
            drafts.scenario[:] = 1 + number
            report_fraud(drafts, victims, self.world)
            parts.append(drafts)
        return parts
