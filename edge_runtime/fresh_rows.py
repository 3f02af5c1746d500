"""The latest rows of the spool, kept in memory so that sending them does not read them back from the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from edge_runtime.spool_row import Priority, Row

MOST_BYTES = 4_000_000


class FreshRows:
    """Rows put since everything older was given out; of use only while it knows of all that waits.

    A put adds rows, `pop` takes them in the order of sending. When they become too many, or something happens to the
    spool that this memory does not follow, it forgets, and the spool is read from disk until that has caught up.
    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Priority, deque[Row]] = {priority: deque() for priority in Priority}
        self._bytes = 0
        self._complete = False
        self._given_out_to = 0  # the disk has given out all up to this one
        self._forgotten_to = 0  # the newest row that was put and is no longer here, though nobody took it

    def add(self, rows: Sequence[Row]) -> None:
        """Rows that are on the disk now, by rising id, newer than all before."""
        with self._lock:
            for row in rows:
                if row.id <= self._given_out_to:  # the disk showed it before its put had come to this
                    continue
                self._rows[row.message.priority].append(row)
                self._bytes += row.message.size_bytes
            if self._bytes > MOST_BYTES:
                self._clear()
                self._forgotten_to = rows[-1].id

    def pop(self, limit: int) -> list[Row] | None:
        """The next rows to be sent; None: the disk has to say."""
        with self._lock:
            if not self._complete:
                return None
            taken: list[Row] = []
            for rows in self._rows.values():
                while rows and len(taken) < limit:
                    taken.append(rows.popleft())
            self._bytes -= sum(row.message.size_bytes for row in taken)
            return taken

    def complete_from(self, newest_id: int) -> None:
        """All rows up to this one are given out."""
        with self._lock:
            self._given_out_to = newest_id
            for rows in self._rows.values():
                while rows and rows[0].id <= newest_id:
                    self._bytes -= rows.popleft().message.size_bytes
            self._complete = self._forgotten_to <= newest_id

    def forget(self) -> None:
        """Something else has changed what waits, or what was given out is to be given out again."""
        with self._lock:
            self._complete = False

    def _clear(self) -> None:
        for rows in self._rows.values():
            rows.clear()
        self._bytes = 0
        self._complete = False
