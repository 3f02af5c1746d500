"""A transaction of SQLite, for connections that begin theirs by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; waits for the transaction of another connection or process to end.

    Args:
        connection: in autocommit mode (`isolation_level=None`).

    Raises:
        sqlite3.Error: whatever SQLite has against it; nothing is changed then.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back by itself after some errors
            connection.execute("ROLLBACK")
        raise
