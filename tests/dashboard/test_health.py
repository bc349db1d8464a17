"""What Health says that a process is doing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.views import health
from storage.flags.flag_store import Heartbeat

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("role", "facts", "doing"),
    [
        pytest.param("consumer", {"users_in_state": 1_200}, "1,200 users in state", id="a consumer"),
        pytest.param(
            "archive",
            {"users_in_state": 7, "archive": {"files": 3, "rows": 4_500, "bytes": 9}},
            "7 users in state, files archived 3, rows archived 4,500",
            id="an archive",
        ),
        pytest.param("archive", {"archive": None}, "", id="an archive that says nothing yet"),
        pytest.param("producer", {"sent": 10}, "sent 10", id="a producer"),
    ],
)
def test_a_process_says_what_it_is_doing(role: str, facts: dict[str, Any], doing: str) -> None:
    beat = Heartbeat(
        process="one", role=role, at=NOON, started_at=NOON, log_id="l", group="g", state="running", facts=facts
    )

    assert health._doing(beat) == doing
