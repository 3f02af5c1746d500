"""Tells a frozen picture: a sensor's noise differs from frame to frame, a driver that repeats a buffer's does not."""

from __future__ import annotations

import numpy as np

from edge_runtime.sources.camera.ring import Pixels

FIRST_ROWS = 8  # they differ nearly always, so that the rest need not be compared


class FreezeWatch:
    """Compares each frame with the one before it.

    Args:
        patience_s: identical frames over so long a time are a frozen picture; 0: never.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._before: Pixels | None = None
        self._changed_s: float | None = None

    def is_frozen(self, image: Pixels, now_s: float) -> bool:
        """Look at the next frame, whose memory is not written to before the next call.

        Args:
            image: the frame.
            now_s: monotonic clock.
        """
        before, self._before = self._before, image
        if self._changed_s is None or before is None or not _same(before, image):
            self._changed_s = now_s
        return 0 < self._patience_s <= now_s - self._changed_s


def _same(before: Pixels, image: Pixels) -> bool:
    return np.array_equal(before[:FIRST_ROWS], image[:FIRST_ROWS]) and np.array_equal(before, image)
