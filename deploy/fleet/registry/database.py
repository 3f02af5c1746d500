"""The registry's database file: its tables, and how it is opened. SQLite in WAL mode: others read while one writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fissura.errors import FleetError

APPLICATION_ID = 0x66666C74  # 'fflt'
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 30.0

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE devices (
    serial TEXT PRIMARY KEY,
    channel TEXT,
    hardware TEXT,
    version TEXT,
    phase TEXT NOT NULL DEFAULT 'idle',
    model TEXT,
    release INTEGER,
    reason TEXT,
    active INTEGER,
    previous INTEGER,
    quarantined TEXT NOT NULL DEFAULT '[]',
    sequence INTEGER NOT NULL DEFAULT -1,
    online INTEGER NOT NULL DEFAULT 0,
    seen_s REAL NOT NULL DEFAULT 0,
    reported_s REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX devices_channel ON devices (channel);
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    serial TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    phase TEXT NOT NULL,
    model TEXT,
    release INTEGER,
    reason TEXT,
    channel TEXT NOT NULL,
    hardware TEXT NOT NULL,
    version TEXT NOT NULL,
    happened_s REAL NOT NULL,
    stored_s REAL NOT NULL,
    figures TEXT NOT NULL
);
CREATE INDEX events_serial ON events (serial, number);
-- What a roll-out asks: who has ended with this release, and how.
CREATE INDEX events_ends ON events (release, model, serial, sequence, phase, reason)
    WHERE phase IN ('committed', 'rejected', 'rolled_back', 'quarantined');
CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    release INTEGER NOT NULL,
    channel TEXT NOT NULL,
    fallback INTEGER,
    percents TEXT NOT NULL,
    state TEXT NOT NULL,
    wave INTEGER NOT NULL,
    reason TEXT,
    intent TEXT,
    intent_reason TEXT,
    accepted TEXT NOT NULL DEFAULT '[]',
    since_s REAL NOT NULL,
    signed TEXT NOT NULL DEFAULT '',
    created_s REAL NOT NULL,
    updated_s REAL NOT NULL
);
CREATE UNIQUE INDEX rollouts_open ON rollouts (channel) WHERE state IN ('running', 'paused', 'aborting');
CREATE TABLE waves (
    rollout INTEGER NOT NULL REFERENCES rollouts (id),
    number INTEGER NOT NULL,
    percent INTEGER NOT NULL,
    started_s REAL,
    ended_s REAL,
    counts TEXT NOT NULL DEFAULT '{{}}',
    PRIMARY KEY (rollout, number)
) WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at_s REAL NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    details TEXT NOT NULL,
    hash TEXT NOT NULL
);
-- Against mistakes; against a forger there is the chain of hashes.
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_grows BEFORE INSERT ON audit
    WHEN NEW.number IS NOT (SELECT COALESCE(MAX(number), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode to the registry at `path`, which is made if it is not there.

    Raises:
        FleetError: it is no registry, of a newer fissura, damaged, or the disk does not let us.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise FleetError(f"registry {path} cannot be opened: {error}", expected="a path on a local disk") from error
    try:
        with translated(path):
            _check_or_make(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # devices delete what we have acknowledged
            connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_or_make(connection: sqlite3.Connection, path: Path) -> None:
    def look() -> bool:
        (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        return bool(tables)

    if not look():
        try:
            connection.executescript(_SCHEMA)
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if not look():  # else another process was faster
                raise
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise FleetError(f"{path} is an SQLite file of another program", expected="a fleet's registry")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise FleetError(
            f"registry {path} has the schema {version}, written by a newer fissura",
            expected=f"at most {SCHEMA_VERSION}",
            fix="use that fissura",
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as `FleetError`."""
    try:
        yield
    except sqlite3.Error as error:
        damaged = any(words in str(error) for words in ("not a database", "malformed", "disk image"))
        fix = "move the file away: devices and roll-outs come back by the devices' reports, the audit does not"
        raise FleetError(f"registry {path}: {error}", fix=fix if damaged else "") from error
