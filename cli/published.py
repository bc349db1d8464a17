"""What a command says after it published a policy."""

import time

from fraud.decision import moment
from storage.policies import Published


def facts(published: Published) -> dict[str, object]:
    """For scripts."""
    return {
        "published": published.is_new,
        "offset": published.offset,
        "hash": published.policy.hash,
        "effective_from": moment(published.effective_from).isoformat(),
    }


def said(published: Published) -> str:
    """For people."""
    name = f"policy {published.policy.hash[:12]} at offset {published.offset}"
    if not published.is_new:
        return f"nothing to do: {name} says the same already"
    wait = max(0.0, published.effective_from / 1e6 - time.time())
    return f"{name} rules payments received from {moment(published.effective_from):%Y-%m-%d %H:%M:%S} UTC (in {wait:.0f} s)"
