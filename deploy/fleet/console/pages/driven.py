"""Whether a command moves a roll-out, as far as the kernel tells: looking must not take the command's lock."""

from __future__ import annotations

from pathlib import Path

from deploy.fleet.registry.rows import Rollout

LOCKS = Path("/proc/locks")
PATIENCE_S = 60.0  # a command that is started again takes a moment


def is_left_alone(rollout: Rollout, registry: Path, now_s: float, locks: Path = LOCKS) -> bool:
    """Whether a roll-out should go on, and no command has moved it for a minute.

    Args:
        rollout: to ask about.
        registry: path of the registry, beside which `rollout.lock` has its files.
        now_s: UTC.
        locks: the kernel's list; without one the answer is no.
    """
    if rollout.state not in ("running", "aborting") or now_s - rollout.updated_s < PATIENCE_S:
        return False
    try:
        held = {line.split()[5].rpartition(":")[2] for line in locks.read_text().splitlines() if " FLOCK " in line}
    except (OSError, IndexError):
        return False
    try:
        return str((registry.parent / f"rollout-{rollout.channel}.lock").stat().st_ino) not in held
    except OSError:  # never held
        return True
