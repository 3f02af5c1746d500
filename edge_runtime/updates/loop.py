"""Looks into the repository again and again, at the device's own pace and soon after a hint."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.state import State, StateFile
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
    told, file = "", StateFile(Layout(config.state).state)
    while not stopping.is_set():
        told = _look(run_once, file, told, stopping)
        hints.wait(stopping, config.poll_s * random.uniform(1 - JITTER, 1 + JITTER))


def _look(run_once: Callable[[threading.Event], Phase], file: StateFile, told: str, stopping: threading.Event) -> str:
    """Look once; a log that says the same every ten minutes hides what changes.

    Returns:
        What was logged last: `told`, or something new.
    """
    try:
        now = _in_words(run_once(stopping), file.load())
        if now != told:
            logger.info("updates: %s", now)
        return now
    except (FissuraError, OSError) as error:
        if str(error) != told:
            logger.warning("no update now, what runs goes on: %s", error)
        return str(error)
    except Exception:
        logger.exception("no update now, what runs goes on")
        return ""


def _in_words(phase: Phase, state: State | None) -> str:
    about = "" if state is None or state.release is None else f" release {state.release} of {state.model}"
    return f"{phase}{about}{'' if state is None or state.reason is None else f': {state.reason}'}"
