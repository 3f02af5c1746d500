"""Stores of before events, in which each message was a row, are taken over when they are opened."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from deploy.fleet.console.detections.crack_filter import CrackFilter
from deploy.fleet.console.detections.sighting import COLUMNS, Sighting
from deploy.fleet.console.detections.store import DetectionStore, open_store
from tests.deploy.fleet.console.sightings import sighting_number, told
from tests.mosquitto import wait_until

# As they were before the stores knew events.
SQLITE_1 = """
CREATE TABLE cracks (
    number INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, event_id TEXT NOT NULL, serial TEXT NOT NULL,
    captured_s REAL NOT NULL, mission_id TEXT NOT NULL, source TEXT NOT NULL, latitude_deg REAL, longitude_deg REAL,
    altitude_m REAL, accuracy_m REAL, heading_deg REAL, confidence REAL NOT NULL, length_px REAL NOT NULL,
    mean_width_px REAL NOT NULL, max_width_px REAL NOT NULL, length_mm REAL, mean_width_mm REAL, max_width_mm REAL,
    model TEXT NOT NULL, bundle_id TEXT NOT NULL
);
CREATE INDEX cracks_place ON cracks (latitude_deg, longitude_deg, confidence, max_width_mm, max_width_px, uuid)
    WHERE latitude_deg IS NOT NULL;
CREATE INDEX cracks_serial ON cracks (serial, captured_s);
CREATE INDEX cracks_time ON cracks (captured_s);
PRAGMA application_id = 0x66646574;
PRAGMA user_version = 1;
"""
POSTGIS_1 = """
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE TABLE cracks (
    number BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE, uuid UUID PRIMARY KEY, event_id UUID NOT NULL,
    serial TEXT NOT NULL, captured_s DOUBLE PRECISION NOT NULL, mission_id TEXT NOT NULL, source TEXT NOT NULL,
    latitude_deg DOUBLE PRECISION, longitude_deg DOUBLE PRECISION, altitude_m DOUBLE PRECISION,
    accuracy_m DOUBLE PRECISION, heading_deg DOUBLE PRECISION, confidence DOUBLE PRECISION NOT NULL,
    length_px DOUBLE PRECISION NOT NULL, mean_width_px DOUBLE PRECISION NOT NULL,
    max_width_px DOUBLE PRECISION NOT NULL, length_mm DOUBLE PRECISION, mean_width_mm DOUBLE PRECISION,
    max_width_mm DOUBLE PRECISION, model TEXT NOT NULL, bundle_id TEXT NOT NULL,
    place geometry(Point, 4326)
        GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(longitude_deg, latitude_deg), 4326)) STORED
);
CREATE INDEX cracks_place ON cracks USING gist (place);
CREATE INDEX cracks_serial ON cracks (serial, captured_s);
CREATE INDEX cracks_time ON cracks (captured_s);
"""
OLD_COLUMNS = COLUMNS[:-3]
# What an old store has of them: each message was a row, and nobody asked for its phase.
# The last one is of a device that says what another one has said.
OLD_ROWS = [
    *told(0),
    sighting_number(99),
    replace(told(0)[1], serial="truck-99", length_px=999.0, uuid=str(UUID(int=7))),
]
OLD_EVENTS = [replace(told(0)[1], phase="new", seen_frames=None), sighting_number(99)]


def old_sqlite(path: Path) -> None:
    insert = f"INSERT INTO cracks ({', '.join(OLD_COLUMNS)}) VALUES ({', '.join('?' * len(OLD_COLUMNS))})"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SQLITE_1)
        connection.executemany(insert, [row.values()[:-3] for row in OLD_ROWS])


def test_an_sqlite_file_of_before_events_is_taken_over_once(tmp_path: Path) -> None:
    path = tmp_path / "detections.sqlite"
    old_sqlite(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIEW wide AS SELECT uuid FROM cracks WHERE max_width_mm > 1")
    found, together = list[list[Sighting]](), threading.Barrier(4)

    def start() -> None:
        together.wait()
        found.append(list(open_store(None, path).rows(CrackFilter())))

    consoles = [threading.Thread(target=start) for _ in range(4)]
    for console in consoles:
        console.start()
    for console in consoles:
        console.join()
    assert found == [OLD_EVENTS] * 4
    store = open_store(None, path)
    assert store.add([told(0)[-1]]) == 1
    assert store.totals(CrackFilter()).cracks == 2
    with closing(sqlite3.connect(path)) as connection:
        assert len(connection.execute("SELECT * FROM wide").fetchall()) == 2
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'messages'").fetchall() == []


@pytest.mark.parametrize("after", range(8))
def test_a_console_that_is_killed_while_it_takes_an_old_file_over_has_changed_nothing(
    tmp_path: Path, after: int
) -> None:
    path = tmp_path / "detections.sqlite"
    old_sqlite(path)
    # The last thing that it does is so many statements of the transaction.
    script = (
        "import os, signal, sqlite3, sys; from pathlib import Path\n"
        "from deploy.fleet.console.detections import sqlite as module\n"
        "done = [0]\n"
        "class Mortal(sqlite3.Connection):\n"
        "    def execute(self, *words):\n"
        "        found = super().execute(*words)\n"
        "        if done[0] or 'TEMPORARY' in words[0]:\n"
        "            done[0] += 1\n"
        f"            if done[0] > {after}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return found\n"
        "connect = sqlite3.connect\n"
        "module.sqlite3.connect = lambda *words, **named: connect(*words, factory=Mortal, **named)\n"
        "module.SqliteStore(Path(sys.argv[1]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT COUNT(*) FROM cracks").fetchone() == (len(OLD_ROWS),)
    assert list(open_store(None, path).rows(CrackFilter())) == OLD_EVENTS


OLD_INSERT = f"INSERT INTO cracks ({', '.join(OLD_COLUMNS)}) VALUES ({', '.join(['%s'] * len(OLD_COLUMNS))})"


def old_postgis(url: str) -> None:
    import psycopg

    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS cracks")
        cursor.execute(POSTGIS_1)
        cursor.executemany(OLD_INSERT, [row.values()[:-3] for row in OLD_ROWS])


def test_a_postgis_table_of_before_events_is_taken_over(postgres: str, tmp_path: Path) -> None:
    old_postgis(postgres)
    for _ in range(2):
        store = open_store(postgres, tmp_path / "unused.sqlite")
        assert list(store.rows(CrackFilter())) == OLD_EVENTS
    assert store.add([told(0)[-1]]) == 1
    assert store.totals(CrackFilter()).cracks == 2


def test_a_postgis_table_is_taken_over_when_an_older_console_has_written(postgres: str, tmp_path: Path) -> None:
    import psycopg

    old_postgis(postgres)
    opened = list[DetectionStore]()
    opening = threading.Thread(target=lambda: opened.append(open_store(postgres, tmp_path / "unused.sqlite")))
    with psycopg.connect(postgres) as older:
        older.execute(OLD_INSERT, replace(told(0)[2], uuid=str(UUID(int=8))).values()[:-3])
        opening.start()
        with psycopg.connect(postgres, autocommit=True) as watching:
            waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
            assert wait_until(lambda: watching.execute(waits).fetchone() == (1,))
        again = f"{OLD_INSERT} ON CONFLICT (uuid) DO NOTHING"
        older.execute(again, OLD_ROWS[0].values()[:-3])  # a row that goes
    opening.join()
    assert list(opened[0].rows(CrackFilter())) == OLD_EVENTS
