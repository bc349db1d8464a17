"""What the dashboard is handed when it starts.

Streamlit runs `dashboard/app.py` as a script in a process of its own, so nothing can be passed as an argument. The command
`fraud dashboard`, which alone reads settings, writes a `Handover` into that process's environment; the script reads it back
here and nowhere else. A store URL may hold a password: the environment, unlike a command line, is not shown to other users.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from fraud.errors import UsageError

_STORE = "FRAUD_DASHBOARD_STORE"
_DATA_DIR = "FRAUD_DASHBOARD_DATA_DIR"
_BANNER = "FRAUD_DASHBOARD_BANNER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Where the flags are, where kept files go, and what the top of every page says."""

    store: str
    """URL of the flag store."""
    data_dir: str
    """Folder or filesystem URL that holds `filtered/`."""
    banner: str = ""
    """One line about this installation, such as what runs embedded; empty for none."""

    def environment(self) -> dict[str, str]:
        """The variables to add to the environment of the dashboard's process."""
        return {_STORE: self.store, _DATA_DIR: self.data_dir, _BANNER: self.banner}


def received(environment: Mapping[str, str] | None = None) -> Handover:
    """What `fraud dashboard` handed to this process. UsageError when it was started in another way."""
    given = os.environ if environment is None else environment  # noqa: TID251 - the only way into a Streamlit script
    if _STORE not in given:
        raise UsageError("the dashboard has no store: start it with `fraud dashboard`")
    return Handover(store=given[_STORE], data_dir=given.get(_DATA_DIR, "storage"), banner=given.get(_BANNER, ""))
