"""What becomes known of a payment, from whom and when: fraud is reported late or never, and some honest payments are disputed."""

import numpy as np

from fraud.columns import Ints
from fraud.schema import Channel, Kind, LabelSource, LabelValue, Outcome
from producer.compromises import Compromises
from producer.drafts import NEVER, Drafts, code
from producer.rhythm import DAY, MINUTE
from producer.world import World

_FIRST_PARTY = 0.0005
_CONFIRMED = {None: 0.0, "large_purchase": 0.25, "trip": 0.02, "new_phone": 0.03}
_CONFIRMED_DECLINED = 0.04
_LATEST = 170 * DAY


def report_fraud(drafts: Drafts, compromises: Compromises, world: World) -> None:
    """All payments of a stolen card are reported together, give or take hours of paperwork."""
    draw = world.draws.uniform("paperwork", drafts.key)
    delay = (draw * 180 * MINUTE).astype(np.int64)
    known = compromises.reported_at != NEVER
    drafts.reported_at = np.where(known, np.where(known, compromises.reported_at, 0) + delay, NEVER)
    who = world.draws.uniform("who reports", compromises.key)
    source = np.where(who < 0.72, code(LabelSource.FRAUD_REPORT), code(LabelSource.DISPUTE))
    source[who > 0.92] = code(LabelSource.CUSTOMER)
    drafts.source = np.where(known, source, 0)
    drafts.label = np.where(known, code(LabelValue.FRAUD), 0)


def report_honest(drafts: Drafts, names: tuple[str | None, ...], world: World) -> None:
    """Some users dispute what they bought; some answer a call of their bank."""
    bought = (drafts.kind == code(Kind.PURCHASE)) & (drafts.outcome == code(Outcome.APPROVED))
    bought &= drafts.channel == code(Channel.ONLINE)
    disputes = np.flatnonzero(bought & world.draws.chance("first party", _FIRST_PARTY, drafts.key))
    weeks = 22.0 * DAY * np.exp(0.6 * world.draws.normal("dispute delay", drafts.key[disputes]))
    _set(drafts, disputes, weeks, LabelSource.DISPUTE, LabelValue.FIRST_PARTY)
    chance = np.array([_CONFIRMED.get(name, 0.0) for name in names])[drafts.scenario]
    chance = np.where(drafts.outcome == code(Outcome.DECLINED), np.maximum(chance, _CONFIRMED_DECLINED), chance)
    confirms = world.draws.chance("confirmed", chance, drafts.key) & (drafts.label == 0)
    row = np.flatnonzero(confirms)
    minutes = 25.0 * MINUTE * np.exp(1.2 * world.draws.normal("confirmation delay", drafts.key[row]))
    _set(drafts, row, minutes, LabelSource.CUSTOMER, LabelValue.LEGITIMATE)


def _set(drafts: Drafts, row: Ints, delay: np.ndarray, source: LabelSource, label: LabelValue) -> None:
    drafts.reported_at[row] = drafts.at[row] + np.clip(delay, MINUTE, _LATEST).astype(np.int64)
    drafts.source[row], drafts.label[row] = code(source), code(label)
