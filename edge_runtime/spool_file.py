"""The spool's database file: one process at a time, checked when it is opened, moved aside when it is damaged."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

from edge_runtime.spool_log import PAGE_BYTES, TOO_LONG_PAGES
from fissura.errors import SpoolError

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x66697373  # 'fiss'; tells a spool from any other SQLite file
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 30.0

# `dead DESC, priority, id` is the order of dropping; for living rows it is the order of sending as well.
# The triggers keep the sum of sizes, so that no write has to add up the whole table.
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL,
    topic TEXT NOT NULL,
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    payload BLOB NOT NULL,
    priority INTEGER NOT NULL,
    size INTEGER NOT NULL,
    created_s REAL NOT NULL,
    boot TEXT NOT NULL,
    boot_s REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outbox_order ON outbox (dead DESC, priority, id);
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER outbox_in AFTER INSERT ON outbox BEGIN UPDATE total SET bytes = bytes + NEW.size; END;
CREATE TRIGGER outbox_out AFTER DELETE ON outbox BEGIN UPDATE total SET bytes = bytes - OLD.size; END;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
# For sending past a topic that the broker refuses. Not in the schema: a spool of an earlier version gets it as well.
_TOPIC_INDEX = "CREATE INDEX IF NOT EXISTS outbox_topic ON outbox (dead, topic, priority, id)"
SQLITE_HEADER = b"SQLite format 3\0"
APPLICATION_ID_AT = slice(68, 72)  # in the file, big-endian


class SpoolFile:
    """Holds the lock on a spool and opens connections to it.

    Raises:
        SpoolError: another process holds it, it is no spool or of a newer fissura, or the disk does not let us.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
        except OSError as error:
            raise SpoolError(
                f"spool {path} cannot be made: {error.strerror or error}",
                expected="a path on a local disk, writable for this user",
                fix="choose another one with --spool",
            ) from error
        try:
            self._open()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def log(self) -> Path:
        """SQLite's write-ahead log: what is committed is in there."""
        return self.path.with_name(f"{self.path.name}-wal")

    def connect(self) -> sqlite3.Connection:
        """A connection in autocommit mode; a commit does not wait for the disk, but no power cut damages the file.

        Nor does a commit fold the log into the file: `SpoolLog` does.
        """
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise SpoolError(
                    f"spool {self.path} is on a file system without shared memory",
                    expected="a local disk",
                    fix="choose another path with --spool",
                )
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            # Some builds of SQLite overwrite what is deleted with zeros: as much to write once more.
            connection.execute("PRAGMA secure_delete = OFF")
            # A log that once had to grow longer is cut when it begins anew.
            connection.execute(f"PRAGMA journal_size_limit = {TOO_LONG_PAGES * PAGE_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let other processes have it."""
        os.close(self._lock)

    def _open(self) -> None:
        try:
            self._check_or_make()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise spool_error(self.path, error) from error
            if not self._was_ours():
                raise SpoolError(
                    f"{self.path} is no spool: {error}",
                    expected="a new path, or the spool of an earlier run",
                    fix="choose another --spool, or move the file away",
                ) from error
            self._move_aside(error)
            with translated(self.path):
                self._check_or_make()

    def _check_or_make(self) -> None:
        # Not by `connect`, whose journal mode would be written into a file that may not be ours.
        with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            if not tables:
                connection.executescript(_SCHEMA)
                connection.execute(_TOPIC_INDEX)
                return
            if application != APPLICATION_ID:
                raise SpoolError(f"{self.path} is an SQLite file of another program", fix="choose another --spool")
            if version > SCHEMA_VERSION:
                raise SpoolError(
                    f"spool {self.path} has the schema {version}, written by a newer fissura",
                    expected=f"at most {SCHEMA_VERSION}",
                    fix="use that fissura to send it, or choose another --spool",
                )
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"malformed: {verdict}")
            connection.execute(_TOPIC_INDEX)

    def _was_ours(self) -> bool:
        """Whether a damaged file was a spool: by its header or, where that is torn, by the log that a crash leaves."""
        with self.path.open("rb") as file:
            header = file.read(APPLICATION_ID_AT.stop)
        if header.startswith(SQLITE_HEADER):
            return int.from_bytes(header[APPLICATION_ID_AT], "big") == APPLICATION_ID
        return self.log.exists()

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
        aside = self.path.with_name(f"{self.path.name}.damaged-{moment}")
        for suffix in ("-wal", "-shm", ""):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
        logger.error(
            "spool %s is damaged (%s): moved to %s, a new one is started; unsent messages are in the moved file",
            self.path,
            error,
            aside,
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as `SpoolError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise spool_error(path, error) from error


def spool_error(path: Path, error: sqlite3.Error) -> SpoolError:
    """What an SQLite error means for the user."""
    fix = "free some space, or choose another disk with --spool" if "full" in str(error) else ""
    if _is_damage(error):
        fix = "restart: the damaged file is then moved aside and a new one started"
    return SpoolError(f"spool {path}: {error}", fix=fix)


def _is_damage(error: sqlite3.Error) -> bool:
    return any(words in str(error) for words in ("not a database", "malformed", "disk image"))


def _locked(path: Path) -> int:
    """Descriptor of the lock file, which the kernel frees when the process ends, however it ends."""
    lock = path.with_name(path.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise SpoolError(
            f"spool {path} is in use{f' by process {holder}' if holder else ''}",
            expected="one process a spool",
            fix="stop the other one, or give this one another --serial or --spool",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
