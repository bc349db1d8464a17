"""Calibration: from raw scores to probabilities, as knots of a monotone line, in whole micro-units.

A score is stored as an integer: 1,000,000 is certainty. Between two knots the line is straight, so the same raw score gives the
same integer on every machine. `models.calibrating` fits it, on a later slice of time than the trees.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fraud.columns import Floats, Ints

MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Knots of a line that never falls; beyond its ends it stays level."""

    raw: Floats
    """float64, shape (knots,), strictly increasing: raw scores."""
    units: Ints
    """int64, shape (knots,), never decreasing, within 0..1,000,000."""

    @classmethod
    def of(cls, arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The reverse of `arrays`; KeyError for arrays that are no calibration."""
        return cls(raw=arrays["raw"], units=arrays["units"])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that fixes the line, by name: what is saved, and what the model id is taken over."""
        return {"raw": self.raw, "units": self.units}

    def micro_units(self, raw: Floats) -> Ints:
        """Calibrated scores, int64 in 0..1,000,000, shape of `raw`. Element by element, so no batch cut changes one."""
        segment = np.clip(np.searchsorted(self.raw, raw, side="right") - 1, 0, len(self.raw) - 2)
        start, width = self.raw[segment], self.raw[segment + 1] - self.raw[segment]
        share = np.clip((raw - start) / width, 0.0, 1.0)
        rise = self.units[segment + 1] - self.units[segment]
        return np.rint(self.units[segment] + share * rise).astype(np.int64)
