"""Cracks in PostgreSQL with PostGIS: other programs (QGIS, a web map) read the same table, column `place`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deploy.fleet.console.detections.crack_filter import Box, CrackFilter
from deploy.fleet.console.detections.events import KEEP_BEST, OUTDONE
from deploy.fleet.console.detections.sighting import COLUMNS, Sighting
from deploy.fleet.console.detections.store import MOST_CLUSTERS, PAGE, Cluster, Totals
from fissura.errors import FleetError, MissingDependencyError

try:
    import psycopg
except ModuleNotFoundError as missing:
    raise MissingDependencyError(
        "a store in PostgreSQL needs the Python package 'psycopg', which is not installed",
        fix="pip install 'psycopg[binary]'",
    ) from missing

CONNECT_TIMEOUT_S = 10
_LOCK = 0x66646574  # two consoles make the tables one after the other, and write one after the other
_TABLE = """
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE TABLE IF NOT EXISTS cracks (
    number BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
    uuid UUID NOT NULL,
    event_id UUID PRIMARY KEY,
    serial TEXT NOT NULL,
    captured_s DOUBLE PRECISION NOT NULL,
    mission_id TEXT NOT NULL,
    source TEXT NOT NULL,
    latitude_deg DOUBLE PRECISION,
    longitude_deg DOUBLE PRECISION,
    altitude_m DOUBLE PRECISION,
    accuracy_m DOUBLE PRECISION,
    heading_deg DOUBLE PRECISION,
    confidence DOUBLE PRECISION NOT NULL,
    length_px DOUBLE PRECISION NOT NULL,
    mean_width_px DOUBLE PRECISION NOT NULL,
    max_width_px DOUBLE PRECISION NOT NULL,
    length_mm DOUBLE PRECISION,
    mean_width_mm DOUBLE PRECISION,
    max_width_mm DOUBLE PRECISION,
    model TEXT NOT NULL,
    bundle_id TEXT NOT NULL,
    phase TEXT NOT NULL,
    seen_frames INTEGER,
    part_of UUID,
    place geometry(Point, 4326)
        GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(longitude_deg, latitude_deg), 4326)) STORED
);
CREATE INDEX IF NOT EXISTS cracks_place ON cracks USING gist (place);
CREATE INDEX IF NOT EXISTS cracks_serial ON cracks (serial, captured_s);
CREATE INDEX IF NOT EXISTS cracks_time ON cracks (captured_s);
"""
# Until then each message was a row.
_IS_OLD = """
SELECT to_regclass('cracks') IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('cracks') AND attname = 'phase')
"""
_FROM_OLD = f"""
LOCK TABLE cracks IN ACCESS EXCLUSIVE MODE;
DELETE FROM cracks WHERE number IN ({OUTDONE});
ALTER TABLE cracks
    ADD COLUMN phase TEXT NOT NULL DEFAULT 'new',
    ADD COLUMN seen_frames INTEGER,
    ADD COLUMN part_of UUID,
    DROP CONSTRAINT cracks_pkey,
    ADD CONSTRAINT cracks_pkey PRIMARY KEY (event_id);
"""
_COLUMNS = ", ".join(COLUMNS)
_READ = ", ".join(f"{name}::text" if name in ("uuid", "event_id", "part_of") else name for name in COLUMNS)
_INSERT = f"INSERT INTO cracks ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) {KEEP_BEST}"
_FIND = f"SELECT {_READ} FROM cracks WHERE event_id = %s::uuid AND part_of IS NULL"
_TOTALS = """
SELECT COUNT(*), COUNT(latitude_deg), MIN(longitude_deg), MIN(latitude_deg), MAX(longitude_deg), MAX(latitude_deg)
FROM cracks
"""
_CLUSTERS = """
SELECT COUNT(*), AVG(latitude_deg), AVG(longitude_deg), MAX(confidence), MAX(max_width_mm), MAX(max_width_px),
    MIN(event_id::text)
FROM cracks
"""


class PostgisStore:
    """A `DetectionStore`; each call has a connection of its own.

    Args:
        url: `postgresql://USER@HOST/DATABASE`; the password in ~/.pgpass or PGPASSWORD, as with `psql`.

    Raises:
        FleetError: the database cannot be reached or used. So from every method.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with self._connection() as connection:
            if connection.info.parameter_status("server_encoding") != "UTF8":
                raise FleetError(
                    f"the database has the encoding {connection.info.parameter_status('server_encoding')}",
                    expected="UTF8, since devices may say anything",
                    fix="createdb --encoding=UTF8 --template=template0 NAME",
                )
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            if connection.execute(_IS_OLD).fetchone() == (True,):
                connection.execute(_FROM_OLD)
            connection.execute(_TABLE)

    def add(self, sightings: Sequence[Sighting]) -> int:
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            try:
                cursor.executemany(_INSERT, [one.values() for one in sightings])
            except psycopg.DataError as error:
                raise ValueError(str(error)) from error
            return max(0, cursor.rowcount)

    def rows(self, wanted: CrackFilter) -> Iterator[Sighting]:
        words, values = _conditions(wanted)
        query = f"SELECT number, {_READ} FROM cracks {_where(['number > %s', *words])} ORDER BY number LIMIT {PAGE}"
        last = 0
        while page := self._rows(query, [last, *values]):
            for number, *fields in page:
                last = number
                yield Sighting(*fields)

    def find(self, event_id: str) -> Sighting | None:
        rows = self._rows(_FIND, [event_id])
        return Sighting(*rows[0]) if rows else None

    def totals(self, wanted: CrackFilter) -> Totals:
        words, values = _conditions(wanted)
        ((count, located, *box),) = self._rows(f"{_TOTALS} {_where(words)}", values)
        return Totals(count, located, Box(*box) if located else None)

    def clusters(self, wanted: CrackFilter, cell_deg: tuple[float, float]) -> list[Cluster]:
        words, values = _conditions(wanted)
        query = (
            f"{_CLUSTERS} {_where(['latitude_deg IS NOT NULL', *words])} "
            "GROUP BY FLOOR((longitude_deg + 180) / %s), FLOOR((latitude_deg + 90) / %s) "
            f"ORDER BY 1 DESC, 7 LIMIT {MOST_CLUSTERS}"
        )
        return [Cluster(*row) for row in self._rows(query, [*values, *cell_deg])]

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        try:
            with psycopg.connect(self._url, connect_timeout=CONNECT_TIMEOUT_S, client_encoding="UTF8") as connection:
                yield connection
        except psycopg.Error as error:
            raise FleetError(
                f"detections in PostgreSQL: {error}".rstrip(), expected="a database with PostGIS"
            ) from error


def _conditions(wanted: CrackFilter) -> tuple[list[str], list[object]]:
    """The filter's conditions, the box by PostGIS's index."""
    words, values = wanted.conditions()
    words = [word.replace("?", "%s") for word in words]
    if (box := wanted.box) is not None:
        parts = [box] if box.west <= box.east else [Box(box.west, box.south, 180, box.north)]
        parts += [Box(-180, box.south, box.east, box.north)] if box.west > box.east else []
        words.append(" OR ".join(["place && ST_MakeEnvelope(%s, %s, %s, %s, 4326)"] * len(parts)))
        values += [side for part in parts for side in (part.west, part.south, part.east, part.north)]
    return words, values


def _where(words: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(f'({word})' for word in words)}" if words else ""
