"""Looks into the repository again and again, at the device's own pace and soon after a hint."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.hints import Hints
from fissura.cohort import splay_s
from fissura.errors import FissuraError
from fissura.update_messages import Phase

logger = logging.getLogger(__name__)

FIRST_WITHIN_S = 10.0  # after the start: vehicles start together in the morning
JITTER = 0.1  # devices that were once cut off together do not stay together


def look_again_and_again(
    run_once: Callable[[threading.Event], Phase], config: UpdatesConfig, hints: Hints, stopping: threading.Event
) -> None:
    """Run the machine until `stopping` is set. Whatever the repository holds, this does not end by it.

    Args:
        run_once: the machine's.
        config: says how often; `serial` is set.
        hints: may bring a look forward.
        stopping: ends it.
    """
    hints.wait(stopping, splay_s(config.serial or "", 0, min(FIRST_WITHIN_S, config.poll_s)))
    while not stopping.is_set():
        _look(run_once, stopping)
        hints.wait(stopping, config.poll_s * random.uniform(1 - JITTER, 1 + JITTER))


def _look(run_once: Callable[[threading.Event], Phase], stopping: threading.Event) -> None:
    try:
        logger.info("updates: %s", run_once(stopping))
    except FissuraError as error:
        logger.warning("no update now, what runs goes on: %s", error)
    except Exception:
        logger.exception("no update now, what runs goes on")
