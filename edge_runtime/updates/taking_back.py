"""Away from a release that does not start here, whatever it did elsewhere and before."""

from __future__ import annotations

import logging

from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import exchange_back
from edge_runtime.updates.lock import locked

logger = logging.getLogger(__name__)


def take_back(layout: Layout, reason: str) -> int | None:
    """Leave the active release for the one before it, and never try it again. While nothing of it runs.

    Args:
        layout: of the device.
        reason: a short word first.

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
        exchange_back(layout, number)
        journal = Journal(layout)
        condemned = journal.state.quarantine(number, reason)
        journal.end("rolled_back", reason, quarantine=False, release=number, quarantined=condemned)
    logger.error("release %d is taken back: %s", number, reason)
    return number
