"""What to say of a roll-out that is done, although devices failed: the operator had accepted that."""

from __future__ import annotations

from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import Rollout
from deploy.fleet.rollout.decision import threshold
from deploy.fleet.rollout.overview import failures
from deploy.fleet.settings import RolloutSettings


def shortfall(registry: Registry, rollout: Rollout, settings: RolloutSettings) -> str | None:
    """How many devices failed, and why; None: the roll-out is not done, or so few failed that it would not have paused.

    Args:
        registry: what the devices have reported.
        rollout: as it is at the end.
        settings: the limits; who accepts failures does not change them.
    """
    if rollout.state != "done":
        return None
    counts = registry.waves(rollout.id)[-1].counts
    failed = counts.get("failed", 0)
    ended = failed + counts.get("committed", 0)
    if not failed or (failed < threshold(ended, settings) and failed < ended):
        return None
    reasons = failures(registry, registry.devices(), rollout)
    return f"{failed} of {ended} devices failed: {', '.join(f'{count} {word}' for word, count in reasons.items())}"
