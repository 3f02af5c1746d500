"""The time that a frame may take, and what a tile costs on this device."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

REMEMBERED = 64
RESERVED_QUANTILE = 0.95
FORGETTING = 0.1  # share of the newest tile in the running means
DEVIATIONS = 2.0
STARVED = 0.01  # share of the mean that a frame without a tile forgets


class FrameBudget:
    """Milliseconds of a frame, from when the engine takes it to the last output.

    What comes after the inference (cracks, outputs) is measured frame by frame, and so much is held back.

    Args:
        limit_ms: of a frame; may be changed between two; None: no limit.
        clock: seconds; what is measured against the budget is measured by it.
    """

    def __init__(self, limit_ms: float | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self.limit_ms = limit_ms
        self.clock = clock
        self._started = clock()
        self._lock = threading.Lock()
        self._rests: deque[float] = deque(maxlen=REMEMBERED)

    def start(self) -> None:
        """A frame begins."""
        self._started = self.clock()

    def finish(self, inferred_s: float) -> None:
        """A frame is done, whose probability map was there at `inferred_s` by the clock.

        What followed is what is to be held back next time. Another thread may be in the next frame already.
        """
        with self._lock:
            self._rests.append((self.clock() - inferred_s) * 1e3)

    def left_ms(self) -> float:
        """What inference may still take of this frame; negative when it is late, infinite without a limit."""
        limit_ms = self.limit_ms  # once: another thread may change it
        if limit_ms is None:
            return math.inf
        with self._lock:
            reserve = float(np.quantile(self._rests, RESERVED_QUANTILE)) if self._rests else 0.0
        return limit_ms - reserve - (self.clock() - self._started) * 1e3


class TileCost:
    """Running mean and mean deviation of the milliseconds that a tile takes."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    def add(self, milliseconds: float, tiles: int) -> None:
        """Some tiles took so long."""
        each = milliseconds / tiles
        if self._mean is None:
            self._mean, self._deviation = each, each / 2
            return
        self._deviation += FORGETTING * (abs(each - self._mean) - self._deviation)
        self._mean += FORGETTING * (each - self._mean)

    def starved(self) -> None:
        """A frame had no time for any tile: forget a little, or one slow start would rule for ever."""
        if self._mean is not None:
            self._mean *= 1 - STARVED
            self._deviation *= 1 - FORGETTING

    def affordable(self, milliseconds: float) -> int:
        """How many tiles fit safely; before the first measurement one, to measure."""
        if milliseconds <= 0:
            return 0
        if self._mean is None:
            return 1
        return int(milliseconds / (self._mean + DEVIATIONS * self._deviation))
