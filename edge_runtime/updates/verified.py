"""Which bundle to open: the active one if every byte of it is as it was signed, else the one before, else the first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import ParamSpec

from edge_runtime.updates.installed import installed
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import exchange_back
from edge_runtime.updates.lock import locked
from edge_runtime.updates.recovery import recover

logger = logging.getLogger(__name__)

P = ParamSpec("P")


def verified(layout: Layout, factory: Path, min_release: int = 1, *, alone: bool = True) -> Path:
    """Settle what an earlier process left, and name the bundle to open. For every start, before the model is loaded.

    A damaged release is left, not condemned: the next look into the repository fetches it again.

    Args:
        layout: of the device.
        factory: bundle that the device came with.
        min_release: lowest that the application allows.
        alone: no other run is there, so that something may be settled and left.

    Raises:
        UpdateError: another process is at work in the state folder.
    """
    with ExitStack() as stack:
        try:
            if alone:
                stack.enter_context(locked(layout))
        except OSError as error:  # nobody else can write there either
            logger.error("the state folder cannot be written: %s", error)
        journal = _journal(layout) if alone else None
        on_trial = None
        if journal is not None:
            _try(recover, layout, journal)
            on_trial = journal.state.release if journal.state.phase == "canary" else None  # the disk may be full
        for number in (layout.number("active"), layout.number("previous")):
            if number is None:
                break
            if number == on_trial:
                continue
            fault = _fault(layout, number, min_release)
            if fault is None:
                return layout.release_bundle(number)
            logger.error("release %d is left: %s", number, fault)
            if journal is not None:
                _try(_leave, layout, journal, number, fault)
    return factory


def _journal(layout: Layout) -> Journal | None:
    try:
        return Journal(layout)
    except OSError as error:  # says nothing about what it holds, so nothing is changed
        logger.error("the state cannot be read: %s", error)
        return None


def _fault(layout: Layout, number: int, min_release: int) -> str | None:
    """Why a release cannot run; None: it can."""
    if number < min_release:
        return f"min_release: the application allows {min_release} and newer"
    if installed(layout, number) is None:
        return "damaged: its files are not what was signed"
    return None


def _leave(layout: Layout, journal: Journal, number: int, fault: str) -> None:
    exchange_back(layout, number)
    journal.end("rolled_back", fault, quarantine=False, release=number)


def _try(action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """A disk that cannot be written keeps no device from its work."""
    try:
        action(*args, **kwargs)
    except OSError as error:
        logger.error("the state folder cannot be written: %s", error)
