"""Away from a release that does not start here, whatever it did elsewhere and before."""

from __future__ import annotations

import logging
from contextlib import suppress

from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import exchange_back
from edge_runtime.updates.lock import locked

logger = logging.getLogger(__name__)


def take_back(layout: Layout, reason: str, *, condemn: bool = True) -> int | None:
    """Leave the active release for the one before it. While nothing of it runs; may be repeated after a cut.

    Args:
        layout: of the device.
        reason: a short word first.
        condemn: never try it again, unless it is pardoned.

    Returns:
        The release that was left; None: the device's own bundle is active, and there is nothing to go back to.

    Raises:
        UpdateError: another process is at work in the state folder.
        OSError: the disk cannot be written.
    """
    with locked(layout):
        number = layout.number("active")
        if number is None:
            return None
        journal = Journal(layout)
        if condemn:  # before the link, so that a cut does not lose the verdict
            with suppress(OSError):
                journal.note(quarantined=journal.state.quarantine(number, reason))
        exchange_back(layout, number)
        journal.end("rolled_back", reason, quarantine=False, release=number)
    logger.error("release %d is taken back: %s", number, reason)
    return number


def pardon(layout: Layout, number: int) -> None:
    """Let a release that was taken back be tried again, from the start.

    Raises:
        UpdateError: another process is at work in the state folder.
        OSError: the disk cannot be written.
    """
    with locked(layout):
        journal = Journal(layout)
        if number in journal.state.quarantined:
            condemned = {other: why for other, why in journal.state.quarantined.items() if other != number}
            journal.note(quarantined=condemned)
            logger.warning("release %d is pardoned: what ran instead of it died as well", number)
