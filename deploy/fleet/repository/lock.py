"""One publisher at a time: cron's refresh waits for a roll-out's wave, and the other way round."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fissura.errors import FleetError

LOCK_NAME = "publisher.lock"
PATIENCE_S = 60.0  # a publication takes seconds; a large bundle on a slow disk a minute
PAUSE_S = 0.1


@contextmanager
def only_publisher(folder: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock of a fleet; the kernel lets go of it when the process dies.

    Args:
        folder: of the fleet.
        patience_s: how long another publisher is waited for, seconds.

    Raises:
        FleetError: another one does not end.
    """
    until = time.monotonic() + patience_s
    with (folder / LOCK_NAME).open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise FleetError(
                        f"another process publishes in {folder} since {patience_s:.0f} s",
                        fix="wait for it to end; the lock goes with the process that holds it",
                    ) from None
            time.sleep(PAUSE_S)
        yield
