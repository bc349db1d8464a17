"""Every row of the table, by name, in its order."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from tests.prove import (
    full_disks,
    malformed,
    mutants,
    named_places,
    offline,
    process_faults,
    quick,
    server_faults,
    slow_changes,
    soak,
)
from tests.prove.outcome import Outcome

QUICK: Final = "quick"
"""The one that is part of `make test`, and not of the table."""

BESIDE: Final = "soak"
"""Breaks nothing and asks for half a core: memory grows or not, whatever else the machine does."""

ROWS: Final[Mapping[str, Callable[[Outcome], None]]] = MappingProxyType(
    {
        "failpoints": named_places.failpoints,
        "kills": process_faults.kills,
        "freezes": process_faults.freezes,
        "store": server_faults.store,
        "broker": server_faults.broker,
        "disk": full_disks.disk,
        "rebalances": process_faults.rebalances,
        "policies": slow_changes.policies,
        "clocks": slow_changes.clocks,
        "offline": offline.offline,
        "malformed": malformed.malformed,
        "mutants": mutants.mutants,
        "soak": soak.soak,
        QUICK: quick.quick,
    }
)
