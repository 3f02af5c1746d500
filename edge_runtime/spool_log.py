"""SQLite's write-ahead log of a spool, folded into the database file before it grows long."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

from edge_runtime.ratelimit import RateLimitedLog

logger = logging.getLogger(__name__)

PAGE_BYTES = 4096  # SQLite's own choice
LONG_PAGES = 1000  # as SQLite would do by itself, but in the thread that happens to write
TOO_LONG_PAGES = 4 * LONG_PAGES
LITTLE_PAGES = LONG_PAGES / 4
TRANSACTION_PAGES = 12  # beside those of its rows: indices, inner pages, free ones, the one that the last row has begun


class SpoolLog:
    """Knows about how long the log is, and folds it in.

    The length is estimated from what is written, generously: SQLite tells it only when it folds. Folding syncs the log,
    then copies its pages, then syncs the database: whatever happens in between, the log on the disk has them all.

    Args:
        path: of the log.
        connection: to fold by; nobody else's, since whoever shares it would wait for the disk.
        write_lock: held by whoever writes.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, write_lock: threading.Lock) -> None:
        self._path = path
        self._connection = connection
        self._write_lock = write_lock
        self._pages = 0.0
        self._log = RateLimitedLog(logger)

    def wrote(self, bytes: int) -> bool:
        """A transaction has been committed; the caller holds the lock.

        Args:
            bytes: of the rows that it put. Deleting takes hardly a page: SQLite only notes which ones are free.

        Returns:
            Whether it has made the log long, so that this is to be folded.
        """
        before = self._pages
        self._pages += TRANSACTION_PAGES + bytes / PAGE_BYTES
        return before < LONG_PAGES <= self._pages

    def fold(self) -> None:
        """Bring the log's pages into the database file, so that the next writer begins the log anew.

        What goes wrong is logged: nothing is lost by it, and it is tried again after as much more of the log.
        """
        try:
            length = self._fold()
        except sqlite3.Error as error:
            self._log.warning("error", f"{self._path} cannot be folded into the spool ({error}): it grows meanwhile")
        else:
            if length > TOO_LONG_PAGES:
                self._log.warning(
                    "long",
                    f"{self._path} has grown to {length * PAGE_BYTES / 1e6:.0f} MB, and will grow until the disk is "
                    "full: another program reads the spool and does not let go of it",
                )
        finally:
            with self._write_lock:
                self._pages = 0.0

    def _fold(self) -> int:
        """Pages of the log where some of them have to stay, else 0."""
        # The log begins anew only when all of it is folded. Most of it goes while others write, and so does the little
        # that they have written meanwhile; where they are quicker than the disk they wait for the rest.
        for last in (False, True):
            before = self._pages
            length = self._checkpoint()
            with self._write_lock:  # nobody is in the middle of a transaction that is not counted yet
                added = self._pages - before
                if not added:
                    break
                if last or added > LITTLE_PAGES:
                    return self._checkpoint()
        return length

    def _checkpoint(self) -> int:
        """Fold what nobody reads; pages of the log, as it was in the beginning, where some have to stay, else 0."""
        busy, length, folded = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(length) if busy or folded < length else 0
