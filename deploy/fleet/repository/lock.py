"""One publisher at a time: cron's refresh waits for a roll-out's wave, and the other way round.

Copying a bundle may take long, and holds up other bundles only.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from fissura.errors import FleetError

PUBLISHER_LOCK, COPIER_LOCK = "publisher.lock", "copier.lock"
PATIENCE_S = 60.0  # a publication takes seconds
COPIER_PATIENCE_S = 600.0  # a large bundle on a slow disk takes minutes
PAUSE_S = 0.1


class BusyError(FleetError):
    """Another process publishes, and does not end. Worth another try."""


def only_publisher(folder: Path, patience_s: float = PATIENCE_S) -> AbstractContextManager[None]:
    """Hold the lock of whoever changes what a fleet gives out.

    Args:
        folder: of the fleet.
        patience_s: how long another publisher is waited for, seconds.

    Raises:
        BusyError: another one does not end.
    """
    return _held(folder, PUBLISHER_LOCK, patience_s)


def only_copier(folder: Path, patience_s: float = COPIER_PATIENCE_S) -> AbstractContextManager[None]:
    """Hold the lock of whoever copies a bundle into a fleet; else as `only_publisher`, and taken before that."""
    return _held(folder, COPIER_LOCK, patience_s)


@contextmanager
def _held(folder: Path, name: str, patience_s: float) -> Iterator[None]:
    """The kernel lets go of a lock when the process dies."""
    until = time.monotonic() + patience_s
    with (folder / name).open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise BusyError(
                        f"another process publishes in {folder} since {patience_s:.0f} s",
                        fix="wait for it to end; the lock goes with the process that holds it",
                    ) from None
            time.sleep(PAUSE_S)
        yield
