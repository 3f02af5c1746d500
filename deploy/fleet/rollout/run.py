"""The controller process: step after step until the roll-out is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from deploy.fleet.registry.rows import OPEN, Rollout
from deploy.fleet.rollout.controller import Controller
from deploy.fleet.rollout.listener import Listener

TICK_S = 0.5


def run_rollout(
    controller: Controller,
    listener: Listener,
    stopping: threading.Event,
    *,
    stay: bool = False,
    told: Callable[[Rollout], None] = lambda rollout: None,
) -> Rollout:
    """Move a roll-out until it is over, or paused.

    Args:
        controller: moves it.
        listener: started; says since when the devices are heard.
        stopping: ends it early; it may be taken up again later.
        stay: wait for a resume where it is paused.
        told: told of every state and every wave.

    Returns:
        The roll-out as it is at the end.
    """
    before: tuple[str, int] | None = None
    while True:
        rollout = controller.step(time.time(), listener.listening_since_s)
        if (now := (rollout.state, rollout.wave)) != before:
            before = now
            told(rollout)
        if rollout.state not in OPEN or (rollout.state == "paused" and not stay) or stopping.wait(TICK_S):
            return rollout
