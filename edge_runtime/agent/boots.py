"""Starts in a row that did not get as far as frames: a small number in a file, which outlives power cuts."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from fissura.files import write_text

logger = logging.getLogger(__name__)

MOST_STARTS = 3  # in a row, before the model is held to be the cause


class Boots:
    """The supervisor counts a start before it begins; the run says when it is healthy, or that it has nothing to do.

    Args:
        path: of the file; there is none while all is well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def count(self) -> int:
        """Starts since the last healthy one; a file that says something else counts as none."""
        with suppress(OSError, ValueError):
            return max(0, int(self._path.read_text(encoding="ascii")))
        return 0

    @property
    def well(self) -> bool:
        """Whether the last start was a healthy one."""
        return not self._path.exists()

    def set(self, count: int) -> None:
        """Durable when this returns; a disk that cannot be written keeps no device from its work."""
        try:
            write_text(self._path, f"{count}\n")
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._path, error)

    def healthy(self) -> None:
        """A start was a good one."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", self._path, error)

    def waiting(self) -> None:
        """The model is open, and no camera gives a frame: a device that is switched off now says nothing about it."""
        if not self.well:
            self.set(max(0, self.count - 1))
