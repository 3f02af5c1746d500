"""How many devices are in which phase, second by second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from deploy.fleet.simulation.ledger import Step
from fissura.update_messages import Phase

BUSY: tuple[Phase, ...] = ("deferred", "download", "verify", "build", "selftest", "shadow", "canary")


def phases(steps: Sequence[Step], devices: int, begin_s: float, end_s: float) -> dict[str, Any]:
    """Counts over time.

    Args:
        steps: in the order of time.
        devices: of the fleet.
        begin_s: of the simulation, monotonic.
        end_s: of it.

    Returns:
        `seconds` since the beginning; `busy`: devices in each phase of an installation; `active`: devices by the
        release that they run, "None" for the bundle that they came with.
    """
    phase: dict[str, Phase] = {}
    active: dict[str, int | None] = {}
    releases = sorted({step.active for step in steps if step.active is not None})
    seconds = list(range(int(end_s - begin_s) + 1))
    busy: dict[str, list[int]] = {name: [] for name in BUSY}
    running: dict[str, list[int]] = {str(release): [] for release in (None, *releases)}
    at = 0
    for second in seconds:
        while at < len(steps) and steps[at].at_s <= begin_s + second:
            phase[steps[at].serial] = steps[at].phase
            active[steps[at].serial] = steps[at].active
            at += 1
        counts, runs = Counter(phase.values()), Counter(active.values())
        for name in BUSY:
            busy[name].append(counts[name])
        for release in (None, *releases):
            known = runs[release] + (devices - len(active) if release is None else 0)
            running[str(release)].append(known)
    return {"seconds": seconds, "busy": busy, "active": running}
