"""Away from a release that the operator takes back."""

from __future__ import annotations

import logging

from edge_runtime.updates.installed import installed
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import exchange, exchange_back, point
from edge_runtime.updates.ports import Conditions, Stream
from fissura.release import Channel

logger = logging.getLogger(__name__)


def leave_revoked(
    layout: Layout,
    journal: Journal,
    stream: Stream,
    conditions: Conditions,
    channel: Channel,
    *,
    wanted: int | None,
    min_release: int,
) -> None:
    """Go back to the release before, if the channel revokes the active one.

    Where the one before cannot be used either, the device waits for what the channel gives it, and goes back to the
    bundle that it came with if that is nothing.

    Raises:
        DeferredError: not now.
        FissuraError: the stream did not take the other model.
    """
    active = layout.number("active")
    if active is None or active not in channel.revoked:
        state = journal.state
        if state.phase == "committed" and state.release != active and state.release in channel.revoked:
            _end(layout, journal, channel, state.release)  # a cut came between
        forget_revoked(layout, channel)
        return
    previous = layout.number("previous")
    usable = previous is None or (
        previous not in channel.revoked and previous >= min_release and installed(layout, previous) is not None
    )
    if not usable and wanted is not None:
        return
    conditions.check()
    if not usable:
        point(layout, "previous", None)
    exchange_back(layout, active)
    try:
        stream.switch()
    except Exception:
        exchange(layout, active)  # what the link says has to be what runs; the next look tries again
        raise
    logger.warning("release %d is revoked: %s runs", active, layout.number("active") or "the device's own bundle")
    _end(layout, journal, channel, active)


def forget_revoked(layout: Layout, channel: Channel) -> None:
    """Let a release that is revoked be nothing to go back to, unless another revoked one runs."""
    if layout.number("active") not in channel.revoked and layout.number("previous") in channel.revoked:
        logger.warning("release %s is revoked: it is not kept to go back to", layout.number("previous"))
        point(layout, "previous", None)


def _end(layout: Layout, journal: Journal, channel: Channel, number: int) -> None:
    journal.end(
        "rolled_back",
        f"revoked: by channel {channel.channel}",
        quarantine=False,
        release=number,
        committed=layout.number("active") or 0,
    )
