"""One process at a time moves the roll-outs of a channel."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fissura.errors import FleetError
from fissura.release import channel_target


@contextmanager
def moving(registry: Path, channel: str) -> Iterator[None]:
    """Hold a channel; the kernel lets go of it when the process ends, however it ends.

    Args:
        registry: path of the registry, beside which the lock lies.
        channel: name of the channel.

    Raises:
        ReleaseError: no channel can be called so.
        FleetError: another process holds it.
    """
    channel_target(channel)
    with (registry.parent / f"rollout-{channel}.lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FleetError(
                f"another process moves the roll-out of channel {channel!r}",
                fix="watch it: fissura fleet status --watch",
            ) from None
        yield
