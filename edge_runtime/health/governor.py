"""Fewer frames while the device throttles: what it cannot compute anyway only keeps it hot."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from edge_runtime.hardware.sensors import Reading

logger = logging.getLogger(__name__)

LEFT_OUT = "throttled"  # cause under which the frames are counted
MOST = 8  # at least every eighth frame is processed
SLOWER_AFTER_S = 10.0
FASTER_AFTER_S = 60.0
LONGEST_WAIT_S = 960.0
HYSTERESIS_C = 5.0


class Governor:
    """Processes every frame, or every second, third ... eighth.

    One step slower at once when the device gets hot, and one more for every `SLOWER_AFTER_S` that it stays so. One step
    faster when it has been cool for `FASTER_AFTER_S`; the wait doubles each time that going faster made it hot again,
    and is short again when the full rate has lasted.

    Args:
        hot_c: a zone at this temperature counts as throttled, until all are `HYSTERESIS_C` below it; None: only what
            the device itself calls throttled counts.
        clock: monotonic seconds.
    """

    def __init__(self, hot_c: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._hot_c = hot_c
        self._clock = clock
        self._every = 1
        self._position: dict[str, int] = {}
        self._changed_s = float("-inf")
        self._cool_since_s: float | None = None
        self._wait_s = FASTER_AFTER_S
        self._went_faster = False

    @property
    def every(self) -> int:
        """Of so many frames one is processed, 1..8."""
        return self._every

    @property
    def wait_s(self) -> float:
        """How long the device must be cool before the next step up."""
        return self._wait_s

    def leave_out(self, source: str = "") -> str | None:
        """Why to leave this frame out, or None; asked once a frame, by one thread a camera.

        Args:
            source: the camera: each has its own share.
        """
        every = self._every
        position = self._position.get(source, 0)
        self._position[source] = position + 1 if position + 1 < every else 0
        return LEFT_OUT if 0 < position < every else None

    def update(self, reading: Reading) -> None:
        """Take a reading into account; about once a second."""
        now_s = self._clock()
        hottest = max(reading.temperatures_c.values(), default=None)
        over = self._hot_c is not None and hottest is not None and hottest >= self._hot_c
        near = self._hot_c is not None and hottest is not None and hottest > self._hot_c - HYSTERESIS_C
        if reading.throttled or over:
            self._cool_since_s = None
            if self._every < MOST and now_s - self._changed_s >= SLOWER_AFTER_S:
                self._slower(now_s, reading.throttle_reason or f"{hottest} °C")
        elif near:
            self._cool_since_s = None
        else:
            self._cool_since_s = now_s if self._cool_since_s is None else self._cool_since_s
            if now_s - max(self._cool_since_s, self._changed_s) >= self._wait_s:
                self._faster(now_s)

    def _slower(self, now_s: float, reason: str) -> None:
        if self._went_faster:  # and that was too much
            self._wait_s = min(LONGEST_WAIT_S, self._wait_s * 2)
        self._went_faster = False
        self._every += 1
        self._changed_s = now_s
        logger.warning("throttled: one of %d frames is processed (%s)", self._every, reason)

    def _faster(self, now_s: float) -> None:
        if self._every == 1:  # the full rate has lasted
            self._wait_s = FASTER_AFTER_S
            self._went_faster = False
            return
        self._every -= 1
        self._changed_s = now_s
        self._went_faster = True
        logger.info("no longer throttled: one of %d frames is processed", self._every)
