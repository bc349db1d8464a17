"""What a consumer knows of one partition besides its windows: append clock, position, open minute."""

from dataclasses import dataclass, field

from consumer.minutes import OpenMinute


@dataclass(slots=True)
class PartitionState:
    """State of one partition, all of it a function of its log."""

    next_offset: int
    received_at: int = 0
    """Running maximum of append times, microseconds."""
    open_minute: OpenMinute = field(default_factory=OpenMinute)
