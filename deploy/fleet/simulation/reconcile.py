"""Whether the registry has what the devices did: every end, once."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from deploy.fleet.registry.registry import Registry
from deploy.fleet.simulation.ledger import Ledger
from fissura.update_messages import TERMINAL

ALL = 100_000_000
LOOK_S = 2.0


def reconcile(ledger: Ledger, registry: Registry, limit_s: float) -> dict[str, Any]:
    """Compare, and wait a while for what is still on its way.

    Returns:
        How many ends and events there are on both sides, those that one side lacks, and ends of the same device,
        release and phase that the two count differently.
    """
    deadline = time.monotonic() + limit_s
    while True:
        figures = _compare(ledger, registry)
        if not any(figures[key] for key in ("ends_lost", "ends_invented", "ends_miscounted", "events_lost")):
            return figures
        if time.monotonic() > deadline:
            return figures
        time.sleep(LOOK_S)


def _compare(ledger: Ledger, registry: Registry) -> dict[str, Any]:
    events = registry.events(limit=ALL)
    stored = {event.uuid for event in events}
    ends = [event for event in events if event.phase in TERMINAL]
    steps, our_ends = ledger.steps(), ledger.ends()
    noted = Counter((step.serial, step.release, step.phase) for step in our_ends)
    counted = Counter((event.serial, event.release, event.phase) for event in ends)
    return {
        "ends": len(our_ends),
        "ends_stored": len(ends),
        "ends_lost": len({step.uuid for step in our_ends} - stored),
        "ends_invented": len({event.uuid for event in ends} - {step.uuid for step in our_ends}),
        "ends_miscounted": sum(((noted - counted) + (counted - noted)).values()),
        "events": len(steps),
        "events_stored": len(events),
        "events_lost": len({step.uuid for step in steps} - stored),
        "ends_by_phase": dict(Counter(step.phase for step in our_ends)),
        "audit": registry.verify_audit(),
    }
