"""Pause, resume, abort: a wish that the running controller fulfils, or that is fulfilled here where none runs."""

from __future__ import annotations

import time
from contextlib import ExitStack

from deploy.fleet.registry import rollouts
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import OPEN, Intent, Rollout
from deploy.fleet.rollout.channel import essence, wanted_channel
from deploy.fleet.rollout.controller import Controller
from deploy.fleet.rollout.lock import moving
from deploy.fleet.rollout.signer import ChannelSigner
from deploy.fleet.settings import RolloutSettings
from fissura.errors import FleetError

PATIENCE_S = 30.0
PAUSE_S = 0.1


def find_rollout(registry: Registry, channel: str | None, intent: Intent) -> Rollout:
    """The roll-out that is meant.

    Args:
        registry: to look into.
        channel: None: the only one.
        intent: what is to be done with it.

    Raises:
        FleetError: there is none, or more than one.
    """
    found = [one for one in registry.rollouts() if one.state in OPEN and channel in (None, one.channel)]
    if not found:
        where = f" on channel {channel!r}" if channel else ""
        raise FleetError(
            f"no roll-out is under way{where}: there is nothing to {intent}",
            fix="to take a release back that is out: fissura fleet revoke" if intent == "abort" else "",
        )
    if len(found) > 1:
        channels = ", ".join(sorted(one.channel for one in found))
        raise FleetError(
            f"{len(found)} roll-outs are under way, on the channels {channels}", fix="say which: --channel"
        )
    return found[0]


def fulfil(
    registry: Registry,
    rollout: Rollout,
    intent: Intent,
    reason: str,
    signer: ChannelSigner,
    settings: RolloutSettings,
) -> tuple[Rollout, bool]:
    """Have a wish fulfilled.

    Returns:
        The roll-out afterwards, and whether it was done here, as no controller runs.

    Raises:
        FleetError: the controller does not do it, or the channel cannot be signed.
    """
    rollouts.ask(registry, rollout, intent, reason)
    until = time.monotonic() + PATIENCE_S
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(moving(registry.path, rollout.channel))
                break
            except FleetError:
                fresh = registry.rollout(rollout.id)
                assert fresh is not None  # roll-outs are never deleted
                if fresh.intent is None and _settled(fresh):
                    return fresh, False
                if time.monotonic() > until:
                    raise
            time.sleep(PAUSE_S)
        controller = Controller(registry, rollout, signer, settings, announce=lambda rollout: None)
        return controller.settle(time.time()), True


def _settled(rollout: Rollout) -> bool:
    """Whether the channel is signed for the roll-out's state."""
    return rollout.state not in OPEN or (
        rollout.state != "aborting" and rollout.signed == essence(wanted_channel(rollout, ()))
    )
