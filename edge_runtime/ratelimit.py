"""One log line for something that happens with every frame, not thousands."""

from __future__ import annotations

import logging
import threading
import time

PERIOD_S = 10.0


class RateLimitedLog:
    """Logs the first line of each kind at once, then at most one a period, with the number left out.

    Safe to use from several threads.
    """

    def __init__(self, logger: logging.Logger, period_s: float = PERIOD_S) -> None:
        self._logger = logger
        self._period_s = period_s
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, message: str) -> None:
        """Log a warning of this kind, or count it."""
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(kind, float("-inf")) < self._period_s:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._last[kind] = now
            left_out = self._left_out.pop(kind, 0)
        self._logger.warning("%s%s", message, f" (and {left_out} more like it before)" if left_out else "")
