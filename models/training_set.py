"""What a model is trained and measured on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fraud.columns import Bools, Floats, Hashes, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """n payments whose truth is known, each as it was known when it was made."""

    features: tuple[str, ...]
    matrix: Floats
    """float64, shape (n, features), NaN where absent."""
    labels: npt.NDArray[np.int8]
    """1 fraud, 0 legitimate."""
    times: Ints
    """Event times, microseconds since the epoch."""
    users: Hashes

    def where(self, mask: Bools) -> "TrainingSet":
        """Some of the payments, in their order."""
        return TrainingSet(
            features=self.features,
            matrix=self.matrix[mask],
            labels=self.labels[mask],
            times=self.times[mask],
            users=self.users[mask],
        )
