"""One process at a time changes a device's models."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.updates.layout import Layout
from fissura.errors import UpdateError


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the state folder. The kernel lets go of it when the process ends, however it ends.

    Raises:
        UpdateError: another process, or another thread, holds it.
    """
    layout.make()
    descriptor = _lock(layout.lock)
    if descriptor is None:
        raise _in_use(layout)
    try:
        yield
    finally:
        os.close(descriptor)


class OnlyRun:
    """The one run of a device that changes its models; others work with what is active.

    Args:
        layout: of the device.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Be it from now on, until `close` or the end of the process. May be repeated.

        Raises:
            UpdateError: another run is it.
            OSError: the disk cannot be written.
        """
        if self._descriptor is None:
            self._layout.make()
            self._descriptor = _lock(self._layout.run_lock)
        if self._descriptor is None:
            raise _in_use(self._layout)

    def close(self) -> None:
        """Leave it to others."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(path: Path) -> int | None:
    """Descriptor of a file that is locked by it; None: another one is."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _in_use(layout: Layout) -> UpdateError:
    return UpdateError(f"{layout.root} is in use", expected="one process a state folder", fix="stop the other one")
