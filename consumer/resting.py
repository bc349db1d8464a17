"""Memory of partitions that have just left: in a rebalance every member lets all of them go, and most come straight back.

Memory at an offset is a function of the log before it. So where the group still stands at that offset it is right, whoever
had the partition meanwhile; anywhere else it is rebuilt.
"""

from dataclasses import dataclass, field, replace

from consumer.deciding import Decider
from consumer.partition_state import PartitionState
from consumer.restoring import Restored
from fraud.windows import Windows


@dataclass(frozen=True, slots=True)
class _Kept:
    state: PartitionState
    windows: Windows
    restored: Restored


@dataclass(slots=True)
class Resting:
    """States out of the decider's reach, until the next assignment says who has their partitions."""

    decider: Decider
    _kept: dict[int, _Kept] = field(default_factory=dict)

    def lay_down(self, partition: int, restored: Restored | None) -> None:
        """Take a partition's state out; `restored` is how it once came (None: it is not whole, and is dropped)."""
        state = self.decider.states.pop(partition, None)
        windows = self.decider.engine.windows_by_partition.pop(partition, None)
        if state is not None and windows is not None and restored is not None:
            self._kept[partition] = _Kept(state, windows, restored)

    def take_up(self, partition: int, committed: int | None) -> Restored | None:
        """Put the state back where the group stands at it; None where it must be rebuilt."""
        kept = self._kept.pop(partition, None)
        if kept is None or kept.state.next_offset != committed:
            return None
        self.decider.states[partition] = kept.state
        self.decider.engine.windows_by_partition[partition] = kept.windows
        return replace(kept.restored, next_offset=committed, replayed=0, seconds=0.0)

    def forget(self) -> None:
        """Free what did not come back."""
        self._kept.clear()
