"""When to look into the repository: now and then, and soon after a message said so, but never oftener than allowed."""

from __future__ import annotations

import threading
import time


class Hints:
    """All that messages can bring about: one look, once in an interval. For any number of threads.

    Args:
        interval_s: between two looks that messages bring about.

    Example:
        >>> hints = Hints(interval_s=60)
        >>> while not stopping.is_set():  # doctest: +SKIP
        ...     machine.run_once(stopping)
        ...     hints.wait(stopping, timeout_s=600)
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._changed = threading.Condition()
        self._due_s: float | None = None
        self._looked_s = float("-inf")

    def give(self, delay_s: float = 0.0) -> None:
        """Look in so many seconds, or earlier if that was said already, or later if the last look is too near."""
        now = time.monotonic()
        with self._changed:
            due_s = max(now + delay_s, self._looked_s + self._interval_s)
            if self._due_s is None or due_s < self._due_s:
                self._due_s = due_s
                self._changed.notify_all()

    def wake(self) -> None:
        """End a `wait` whose `stopping` was set."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, stopping: threading.Event, timeout_s: float) -> bool:
        """Wait for the next look.

        Args:
            stopping: ends the waiting, within a second or on `wake`.
            timeout_s: the look that comes without a hint, seconds from now.

        Returns:
            Whether a hint brought it about.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not stopping.is_set():
                now = time.monotonic()
                until_s = deadline if self._due_s is None else min(deadline, self._due_s)
                if now >= until_s:
                    break
                self._changed.wait(min(until_s - now, 1.0))
            hinted = self._due_s is not None and self._due_s <= time.monotonic()
            self._due_s = None  # whatever was announced so far, this look sees it
            self._looked_s = time.monotonic()
        return hinted
