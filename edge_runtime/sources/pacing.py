"""Giving recorded frames at the rate of a camera."""

from __future__ import annotations

import time

LONGEST_SLEEP_S = 0.2


class Pacer:
    """Says when the next frame is due.

    Args:
        fps: frames a second; None: always due.
    """

    def __init__(self, fps: float | None) -> None:
        self._period_s = None if fps is None else 1.0 / fps
        self._due = time.monotonic()

    def wait(self) -> bool:
        """Sleep until the next frame is due, though not for long; True when it is."""
        if self._period_s is None:
            return True
        rest_s = self._due - time.monotonic()
        if rest_s > LONGEST_SLEEP_S:
            time.sleep(LONGEST_SLEEP_S)
            return False
        if rest_s > 0:
            time.sleep(rest_s)
        # A reader that fell behind goes on from now: no burst to catch up.
        self._due = max(self._due, time.monotonic() - self._period_s) + self._period_s
        return True
