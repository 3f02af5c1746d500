"""Rows of the spool that the broker has, on their way out of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable


class DeliveredRows:
    """Ids of rows that are still on the disk and need no sending. Safe to use from several threads.

    Whoever writes to the spool next deletes them on the way; a transaction of their own costs more than they do.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[int] = set()
        self._since_s = 0.0

    def add(self, ids: Iterable[int]) -> None:
        """The broker has these rows."""
        with self._lock:
            if not self._ids:
                self._since_s = time.monotonic()
            self._ids.update(ids)

    def ids(self) -> tuple[int, ...]:
        """All of them."""
        with self._lock:
            return tuple(self._ids)

    def gone(self, ids: Iterable[int]) -> None:
        """These are off the disk."""
        with self._lock:
            self._ids.difference_update(ids)
            self._since_s = time.monotonic()

    def put_off(self) -> None:
        """The disk does not take the deletion now."""
        with self._lock:
            self._since_s = time.monotonic()

    def waiting_s(self) -> float:
        """Seconds since anything became of them."""
        with self._lock:
            return time.monotonic() - self._since_s

    def __len__(self) -> int:
        return len(self._ids)
