"""Reports that the operator has not acknowledged, on disk.

A broker's acknowledgement does not prove that the operator got something: an event stays here until the operator says
that it is stored. The newest state stays for good, for a broker that has forgotten it.

Numbers of reports come from here. They grow across restarts and, as they begin at the wall clock, across a wiped disk.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from fissura.errors import SpoolError
from fissura.transaction import transaction
from fissura.update_messages import TERMINAL, Phase

logger = logging.getLogger(__name__)

MOST_EVENTS = 2000  # some ten installations a day for a month; about 1 MB
BUSY_TIMEOUT_S = 30.0

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    terminal INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_dropping ON events (terminal, number);
CREATE TABLE IF NOT EXISTS last (number INTEGER NOT NULL, state BLOB);
INSERT INTO last SELECT 0, NULL WHERE NOT EXISTS (SELECT * FROM last);
COMMIT;
"""


class Waiting(NamedTuple):
    """An event that the operator has not acknowledged.

    Attributes:
        number: of the report; they are sent in this order.
        uuid: of the message.
        payload: of the message.
    """

    number: int
    uuid: UUID
    payload: bytes


class Outbox:
    """Safe to use from several threads of one process. What a method has written is on the disk when it returns.

    Args:
        path: of the file; a damaged one is moved aside.
        most: events that are kept. Beyond them the oldest step is dropped, and an end only when there are only ends.

    Raises:
        SpoolError: the disk does not let us. So from every method.
    """

    def __init__(self, path: Path, most: int = MOST_EVENTS) -> None:
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _open_or_replace(path)
        except (OSError, sqlite3.Error) as error:
            raise _translate(path, error) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def put_event(self, uuid: UUID, phase: Phase, make: Callable[[int], bytes]) -> None:
        """Keep an event; one that is here already stays as it is.

        Args:
            uuid: of the message: see `event_uuid`.
            phase: which says whether it is an end.
            make: gives the message for the number of the report.
        """
        with self._lock:
            try:
                with transaction(self._connection) as connection:
                    if connection.execute("SELECT 1 FROM events WHERE uuid = ?", (str(uuid),)).fetchone():
                        return
                    number = _next_number(connection)
                    connection.execute(
                        "INSERT INTO events (number, uuid, terminal, payload) VALUES (?, ?, ?, ?)",
                        (number, str(uuid), phase in TERMINAL, make(number)),
                    )
                    connection.execute(
                        "DELETE FROM events WHERE number IN (SELECT number FROM events ORDER BY terminal, number LIMIT"
                        " MAX(0, (SELECT COUNT(*) FROM events) - ?))",
                        (self._most,),
                    )
            except sqlite3.Error as error:
                raise _translate(self._path, error) from error

    def put_state(self, make: Callable[[int], bytes]) -> bytes:
        """Keep the newest state in the place of the one before; returns it.

        Args:
            make: gives the message for the number of the report.
        """
        with self._lock:
            try:
                with transaction(self._connection) as connection:
                    payload = make(_next_number(connection))
                    connection.execute("UPDATE last SET state = ?", (payload,))
                    return payload
            except sqlite3.Error as error:
                raise _translate(self._path, error) from error

    def state(self) -> bytes | None:
        """The newest state; None: there was none yet."""
        with self._lock:
            try:
                payload: bytes | None = self._connection.execute("SELECT state FROM last").fetchone()[0]
            except sqlite3.Error as error:
                raise _translate(self._path, error) from error
        return payload

    def events(self) -> list[Waiting]:
        """What waits, oldest first."""
        with self._lock:
            try:
                rows = self._connection.execute("SELECT number, uuid, payload FROM events ORDER BY number").fetchall()
            except sqlite3.Error as error:
                raise _translate(self._path, error) from error
        return [Waiting(number, UUID(text), payload) for number, text, payload in rows]

    def acknowledged(self, uuids: Iterable[UUID]) -> None:
        """The operator has these; unknown ones are none of ours."""
        with self._lock:
            try:
                with transaction(self._connection) as connection:
                    connection.executemany("DELETE FROM events WHERE uuid = ?", [(str(uuid),) for uuid in uuids])
            except sqlite3.Error as error:
                raise _translate(self._path, error) from error


def event_uuid(serial: str, sequence: int, happened_utc: datetime) -> UUID:
    """The same for the same step of a device, however often it is told."""
    return uuid5(NAMESPACE_URL, f"fissura:update/{serial}/{sequence}/{happened_utc.timestamp()!r}")


def _next_number(connection: sqlite3.Connection) -> int:
    """Above every earlier one, and no lower than the wall clock's milliseconds."""
    (last,) = connection.execute("SELECT number FROM last").fetchone()
    number = max(last + 1, int(time.time() * 1e3))
    connection.execute("UPDATE last SET number = ?", (number,))
    return number


def _open_or_replace(path: Path) -> sqlite3.Connection:
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # a full disk, not a damaged file
            raise
        aside = path.with_name(f"{path.name}.damaged")
        logger.error("%s is damaged (%s): moved to %s; reports that waited in it are lost", path, error, aside.name)
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
        return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"malformed: {verdict}")
    except BaseException:
        connection.close()
        raise
    return connection


def _translate(path: Path, error: Exception) -> SpoolError:
    return SpoolError(f"outbox {path}: {error}", expected="a path on a local disk with some space")
