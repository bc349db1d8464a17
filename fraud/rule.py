"""What every rule has in common: its name, its weight, whom it judges."""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fraud.batch import Batch, Mark
from fraud.columns import Bools, Columns
from fraud.decision import Hit, Mode, Severity
from fraud.hits import Hits
from fraud.rule_values import Line, RuleId, SeverityWord, Sql


class Rule(BaseModel):
    """A stated objection to a payment; its kinds are in `fraud.rules`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[RuleId, Field(description="stable name: flags, metrics and filters use it")]
    severity: Annotated[SeverityWord, Field(description="how much a flag of this rule matters")] = Severity.MEDIUM
    mode: Annotated[Mode, Field(description="live flags, shadow is only recorded, off is silent")] = Mode.LIVE
    owner: Annotated[Line | None, Field(description="who answers questions about this rule")] = None
    why: Annotated[Line | None, Field(description="the fraud it is meant to catch")] = None
    segment: Annotated[
        Sql | None, Field(description="a SQL condition: the rule judges only payments where it holds")
    ] = None

    def hit(self, hits: Hits, row: int) -> Hit:
        """One firing, for a flag: row `row` of this rule's answer."""
        reason, counterfactual = hits.words(row)
        is_bounded = bool(hits.has_passes_at[row])
        return Hit(
            rule=self.id,
            kind=self.kind,  # type: ignore[attr-defined]  # every kind of rule has one
            mode=self.mode.value,
            severity=self.severity.word,
            reason=reason,
            observed=float(hits.observed[row]) if is_bounded else None,
            threshold=float(hits.threshold[row]) if is_bounded else None,
            passes_at=float(hits.passes_at[row]) if is_bounded else None,
            counterfactual=counterfactual,
        )

    def attempts(self, batch: Batch, columns: Columns) -> Bools:
        """Where a built-in rule judges: attempts of its segment. Bool, shape (n,)."""
        attempts = batch.has(Mark.ATTEMPT)
        return attempts if self.segment is None else attempts & self.segment.holds(columns)

    def narrowed(self, mask: Bools, batch: Batch, columns: Columns) -> Bools:
        """A mask without what a built-in rule does not judge; most batches hold nothing to narrow."""
        return mask & self.attempts(batch, columns) if np.count_nonzero(mask) else mask
