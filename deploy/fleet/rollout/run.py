"""The controller process: step after step until the roll-out is over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from deploy.fleet.registry.rows import OPEN, Rollout
from deploy.fleet.repository.lock import BusyError
from deploy.fleet.rollout.controller import Controller
from deploy.fleet.rollout.listener import Listener
from fissura.errors import FleetError

logger = logging.getLogger(__name__)

TICK_S = 0.5
RETRY_S = 5.0


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

    Raises:
        FleetError: it cannot even begin, for example for want of a key. What goes wrong later, such as a full disk,
            is tried again and again: the roll-out stands meanwhile.
    """
    before: tuple[str, int] | None = None
    while True:
        try:
            rollout = controller.step(time.time(), listener.listening_since_s)
        except FleetError as error:
            if before is None and not isinstance(error, BusyError):
                raise
            logger.warning("%s; trying again", error)
            if stopping.wait(RETRY_S):
                return controller.rollout
            continue
        if (now := (rollout.state, rollout.wave)) != before:
            before = now
            told(rollout)
        if rollout.state not in OPEN or (rollout.state == "paused" and not stay) or stopping.wait(TICK_S):
            return rollout
