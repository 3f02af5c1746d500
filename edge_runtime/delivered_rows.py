"""Rows of the spool that the broker has, on their way out of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from edge_runtime.spool_row import Row


class DeliveredRows:
    """Ids of rows that are still on the disk and need no sending. Safe to use from several threads.

    Whoever writes to the spool next deletes them on the way; a transaction of their own costs more than they do.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[int, int] = {}
        self._since_s = 0.0

    def add(self, row: Row) -> None:
        """The broker has this row."""
        with self._lock:
            if not self._sizes:
                self._since_s = time.monotonic()
            self._sizes[row.id] = row.message.size_bytes

    def ids(self) -> tuple[int, ...]:
        """All of them."""
        with self._lock:
            return tuple(self._sizes)

    def gone(self, ids: Iterable[int]) -> None:
        """These are off the disk."""
        with self._lock:
            for id in ids:
                self._sizes.pop(id, None)
            self._since_s = time.monotonic()

    def put_off(self) -> None:
        """The disk does not take the deletion now."""
        with self._lock:
            self._since_s = time.monotonic()

    def waiting_s(self) -> float:
        """Seconds since anything became of them."""
        with self._lock:
            return time.monotonic() - self._since_s

    def rows_and_bytes(self) -> tuple[int, int]:
        """How many they are, and what they count against the spool's bound."""
        with self._lock:
            return len(self._sizes), sum(self._sizes.values())

    def __len__(self) -> int:
        return len(self._sizes)
