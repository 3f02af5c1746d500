"""Cracks in an SQLite file, WAL mode: pages read while messages are stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from deploy.fleet.console.detections.crack_filter import Box, CrackFilter
from deploy.fleet.console.detections.events import KEEP_BEST, OUTDONE
from deploy.fleet.console.detections.sighting import COLUMNS, Sighting
from deploy.fleet.console.detections.store import MOST_CLUSTERS, PAGE, Cluster, Totals
from fissura.errors import FleetError
from fissura.transaction import transaction

APPLICATION_ID = 0x66646574  # 'fdet'
SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 30.0

_TABLE = """
CREATE TABLE IF NOT EXISTS cracks (
    number INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL,
    event_id TEXT NOT NULL UNIQUE,
    serial TEXT NOT NULL,
    captured_s REAL NOT NULL,
    mission_id TEXT NOT NULL,
    source TEXT NOT NULL,
    latitude_deg REAL,
    longitude_deg REAL,
    altitude_m REAL,
    accuracy_m REAL,
    heading_deg REAL,
    confidence REAL NOT NULL,
    length_px REAL NOT NULL,
    mean_width_px REAL NOT NULL,
    max_width_px REAL NOT NULL,
    length_mm REAL,
    mean_width_mm REAL,
    max_width_mm REAL,
    model TEXT NOT NULL,
    bundle_id TEXT NOT NULL,
    phase TEXT NOT NULL,
    seen_frames INTEGER,
    part_of TEXT
);
-- With all that the map asks for, so that it need not look into the table.
CREATE INDEX IF NOT EXISTS cracks_place
    ON cracks (latitude_deg, longitude_deg, confidence, max_width_mm, max_width_px, event_id, part_of)
    WHERE latitude_deg IS NOT NULL AND part_of IS NULL;
CREATE INDEX IF NOT EXISTS cracks_serial ON cracks (serial, captured_s);
CREATE INDEX IF NOT EXISTS cracks_time ON cracks (captured_s);
"""
_SCHEMA = f"""
BEGIN IMMEDIATE;
{_TABLE}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_COLUMNS = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO cracks ({_COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS))}) {KEEP_BEST}"
# Until then each message was a row. The old rows wait elsewhere: a view that others have made would follow a table that
# is renamed.
_FROM_1 = f"""
CREATE TEMPORARY TABLE messages AS SELECT * FROM cracks WHERE number NOT IN ({OUTDONE});
DROP TABLE cracks;
{_TABLE}
INSERT INTO cracks SELECT *, 'new', NULL, NULL FROM messages;
DROP TABLE messages;
PRAGMA user_version = 2;
"""
_TOTALS = """
SELECT COUNT(*), COUNT(latitude_deg), MIN(longitude_deg), MIN(latitude_deg), MAX(longitude_deg), MAX(latitude_deg)
FROM cracks
"""
_CLUSTERS = """
SELECT COUNT(*), AVG(latitude_deg), AVG(longitude_deg), MAX(confidence), MAX(max_width_mm), MAX(max_width_px),
    MIN(event_id)
FROM cracks
"""


class SqliteStore:
    """A `DetectionStore`; each call has a connection of its own.

    Args:
        path: of the file; made if it is not there.

    Raises:
        FleetError: it is another program's file, of a newer fissura, or cannot be used. So from every method.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            if not _value(connection, "SELECT COUNT(*) FROM sqlite_master"):
                connection.executescript(_SCHEMA)
            if _value(connection, "PRAGMA application_id") != APPLICATION_ID:
                raise FleetError(f"{path} is an SQLite file of another program", expected="a store of detections")
            if (version := _value(connection, "PRAGMA user_version")) > SCHEMA_VERSION:
                raise FleetError(
                    f"{path} has the schema {version}, written by a newer fissura",
                    expected=f"at most {SCHEMA_VERSION}",
                    fix="use that fissura",
                )
            connection.execute("PRAGMA journal_mode = WAL")
            if version == 1:
                with transaction(connection):
                    if _value(connection, "PRAGMA user_version") == 1:  # still: no other console was quicker
                        for statement in _FROM_1.split(";"):  # a script would end the transaction first
                            connection.execute(statement)

    def add(self, sightings: Sequence[Sighting]) -> int:
        with self._connection() as connection:
            connection.execute("PRAGMA synchronous = FULL")  # what is stored is acknowledged, and then gone elsewhere
            before = connection.total_changes
            try:
                with transaction(connection):
                    connection.executemany(_INSERT, [one.values() for one in sightings])
            except (OverflowError, sqlite3.DataError) as error:
                raise ValueError(str(error)) from error
            return connection.total_changes - before

    def rows(self, wanted: CrackFilter) -> Iterator[Sighting]:
        words, values = wanted.conditions()
        query = f"SELECT number, {_COLUMNS} FROM cracks {_where(['number > ?', *words])} ORDER BY number LIMIT {PAGE}"
        last = 0
        while True:
            with self._connection() as connection:
                page = connection.execute(query, [last, *values]).fetchall()
            if not page:
                return
            for number, *fields in page:
                last = number
                yield Sighting(*fields)

    def find(self, event_id: str) -> Sighting | None:
        query = f"SELECT {_COLUMNS} FROM cracks WHERE event_id = ? AND part_of IS NULL"
        with self._connection() as connection:
            row = connection.execute(query, [event_id]).fetchone()
        return None if row is None else Sighting(*row)

    def totals(self, wanted: CrackFilter) -> Totals:
        words, values = wanted.conditions()
        with self._connection() as connection:
            count, located, *box = connection.execute(f"{_TOTALS} {_where(words)}", values).fetchone()
        return Totals(count, located, Box(*box) if located else None)

    def clusters(self, wanted: CrackFilter, cell_deg: tuple[float, float]) -> list[Cluster]:
        words, values = wanted.conditions()
        query = (
            f"{_CLUSTERS} {_where(['latitude_deg IS NOT NULL', *words])} "
            "GROUP BY CAST((longitude_deg + 180) / ? AS INTEGER), CAST((latitude_deg + 90) / ? AS INTEGER) "
            f"ORDER BY 1 DESC, 7 LIMIT {MOST_CLUSTERS}"
        )
        with self._connection() as connection:
            return [Cluster(*row) for row in connection.execute(query, [*values, *cell_deg])]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise FleetError(f"detections {self._path}: {error}", expected="a local disk with space") from error


def _value(connection: sqlite3.Connection, query: str) -> Any:
    return connection.execute(query).fetchone()[0]


def _where(words: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(f'({word})' for word in words)}" if words else ""
