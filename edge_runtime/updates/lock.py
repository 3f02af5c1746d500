"""One process at a time changes a device's models."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from edge_runtime.updates.layout import Layout
from fissura.errors import UpdateError


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the state folder. The kernel lets go of it when the process ends, however it ends.

    Raises:
        UpdateError: another process, or another thread, holds it.
    """
    layout.make()
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpdateError(
                f"{layout.root} is in use", expected="one process a state folder", fix="stop the other one"
            ) from None
        yield
    finally:
        os.close(descriptor)
