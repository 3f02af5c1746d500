"""Every store of cracks does the same, whichever database it is in."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from deploy.fleet.console.detections.crack_filter import Box, CrackFilter
from deploy.fleet.console.detections.sighting import Sighting
from deploy.fleet.console.detections.store import DetectionStore, open_store
from fissura.errors import FleetError
from tests.deploy.fleet.console.sightings import sighting_number, told


@pytest.fixture(params=["sqlite", "postgis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DetectionStore:
    if request.param == "sqlite":
        return open_store(None, tmp_path / "state" / "detections.sqlite")
    url = request.getfixturevalue("postgres")  # skips where there is none
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS cracks")
    return open_store(url, tmp_path / "unused.sqlite")


def test_what_comes_twice_is_stored_once(store: DetectionStore) -> None:
    rows = [sighting_number(number) for number in range(5)]
    assert store.add(rows) == 5
    assert store.add([*rows, sighting_number(5)]) == 1
    assert [row.uuid for row in store.rows(CrackFilter())] == [sighting_number(number).uuid for number in range(6)]


def test_a_row_comes_back_as_it_was(store: DetectionStore) -> None:
    whole = sighting_number(1, latitude_deg=-12.3456789, longitude_deg=179.9999999, altitude_m=33.25)
    bare = sighting_number(2, **dict.fromkeys(("latitude_deg", "longitude_deg", "accuracy_m", "max_width_mm")))
    store.add([whole, bare])
    assert list(store.rows(CrackFilter())) == [whole, bare]
    assert store.find(whole.event_id) == whole
    assert store.find("00000000-0000-4000-8000-00000000ffff") is None


def test_an_event_is_one_crack_its_best_sighting_whatever_the_order(store: DetectionStore) -> None:
    orders = list(itertools.permutations(range(4)))
    for number, order in enumerate(orders):
        messages = [told(number)[place] for place in order]
        for message in messages:  # each on its own, as a slow device's come
            store.add([message])
        assert store.add(messages) == 0, "they come again when a broker sends what it has no word about"
    assert list(store.rows(CrackFilter())) == [told(number)[-1] for number in range(len(orders))]
    assert store.totals(CrackFilter()).cracks == len(orders)


def test_before_its_end_an_event_is_its_longest_sighting_as_often_seen_as_was_told(store: DetectionStore) -> None:
    for number, order in enumerate(itertools.permutations(range(3))):
        new, longer, elsewhere, end = told(number)
        for place in order:
            store.add([(new, longer, elsewhere)[place]])
        assert store.find(new.event_id) == replace(longer, seen_frames=elsewhere.seen_frames)
        assert store.add([elsewhere, new, longer]) == 0
        assert store.add([end]) == 1
        assert store.find(new.event_id) == end


def test_a_value_that_no_database_takes_is_said_and_nothing_is_stored(store: DetectionStore) -> None:
    with pytest.raises(ValueError, match=r"too large|out of range|overflow"):
        store.add([sighting_number(0), sighting_number(1, seen_frames=2**63)])
    assert store.totals(CrackFilter()).cracks == 0


def test_what_is_part_of_another_crack_is_none_and_stays_so(store: DetectionStore) -> None:
    *before, end = told(0)
    whole = told(1)[0]
    store.add([*before, whole])
    assert store.totals(CrackFilter()).cracks == 2
    store.add([replace(end, part_of=whole.event_id)])
    store.add(before)  # once more, behind
    assert list(store.rows(CrackFilter())) == [whole]
    assert store.totals(CrackFilter()).cracks == 1
    assert [cluster.event_id for cluster in store.clusters(CrackFilter(), (1, 1))] == [whole.event_id]
    assert store.find(end.event_id) is None


def test_no_device_writes_over_what_another_has_said(store: DetectionStore) -> None:
    theirs = told(0)[0]
    store.add([theirs])
    assert store.add([replace(told(0)[-1], serial="truck-02")]) == 0
    assert list(store.rows(CrackFilter())) == [theirs]
    same_message = replace(told(1)[0], uuid=theirs.uuid)
    assert store.add([same_message]) == 1


def test_an_export_reads_page_by_page_and_leaves_nothing_out(store: DetectionStore) -> None:
    store.add([sighting_number(number) for number in range(2500)])
    rows = store.rows(CrackFilter(serial="truck-01"))
    first = next(rows)
    store.add([sighting_number(10_000, serial="truck-01")])  # while a client takes its time
    numbers = [row.captured_s for row in (first, *rows)]
    assert numbers == [1_700_000_000.0 + number for number in range(1, 2500, 3)] + [1_700_010_000.0]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (CrackFilter(since_s=1_700_000_002.0), [2, 3, 4, 5]),
        (CrackFilter(until_s=1_700_000_002.0), [0, 1]),
        (CrackFilter(serial="truck-01"), [1, 4]),
        (CrackFilter(min_width_mm=3.0), [3, 5]),
        (CrackFilter(min_width_px=7.0), [4]),
        (CrackFilter(min_confidence=0.95), [5]),
        (CrackFilter(min_seen_frames=2), [1]),
        (CrackFilter(box=Box(13.40005, 52, 13.40035, 53)), [1, 2, 3]),
        (CrackFilter(box=Box(13.40005, 52, 13.40035, 53), serial="truck-00"), [3]),
        (CrackFilter(box=Box(13.4003, 52, 13.4001, 53)), [0, 1, 3, 4]),
    ],
)
def test_filters(store: DetectionStore, wanted: CrackFilter, expected: list[int]) -> None:
    store.add(
        [
            sighting_number(0, seen_frames=1),
            sighting_number(1, seen_frames=2),
            sighting_number(2, max_width_mm=None),
            sighting_number(3, max_width_mm=3.0),
            sighting_number(4, max_width_px=7.5),
            sighting_number(5, max_width_mm=9.0, confidence=0.99, latitude_deg=None, longitude_deg=None),
        ]
    )
    assert [round(row.captured_s - 1_700_000_000) for row in store.rows(wanted)] == expected
    assert store.totals(wanted).cracks == len(expected)


def test_totals_tell_how_many_have_a_position_and_where(store: DetectionStore) -> None:
    assert store.totals(CrackFilter()).box is None
    store.add([sighting_number(0), sighting_number(10), sighting_number(20, latitude_deg=None, longitude_deg=None)])
    totals = store.totals(CrackFilter())
    assert (totals.cracks, totals.located) == (3, 2)
    assert totals.box is not None
    assert astuple(totals.box) == pytest.approx((13.4, 52.5, 13.401, 52.501))


def test_clusters_hold_every_crack_with_a_position_once(store: DetectionStore) -> None:
    near = [sighting_number(number, latitude_deg=52.5001, longitude_deg=13.4001 + number * 1e-7) for number in range(9)]
    far = sighting_number(9, latitude_deg=-33.0, longitude_deg=-70.0, max_width_mm=None)
    store.add([*near, far, sighting_number(10, latitude_deg=None, longitude_deg=None)])
    first, second = store.clusters(CrackFilter(), (0.01, 0.01))
    assert (first.count, second.count) == (9, 1)
    assert (second.event_id, second.max_width_mm, second.latitude_deg) == (far.event_id, None, -33.0)
    assert first.longitude_deg == pytest.approx(13.4001004)
    whole_earth = store.clusters(CrackFilter(), (360, 180))
    assert sum(cluster.count for cluster in whole_earth) == 10


def test_two_consoles_may_open_it(store: DetectionStore, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store.add([sighting_number(1)])
    is_sqlite = "sqlite" in request.node.name
    again = open_store(
        None if is_sqlite else request.getfixturevalue("postgres"), tmp_path / "state" / "detections.sqlite"
    )
    assert again.add([sighting_number(1), sighting_number(2)]) == 1
    assert store.totals(CrackFilter()).cracks == 2


def test_postgis_has_a_geometry_for_other_programs(postgres: str, tmp_path: Path) -> None:
    import psycopg

    with psycopg.connect(postgres) as connection:
        connection.execute("DROP TABLE IF EXISTS cracks")
    open_store(postgres, tmp_path).add([sighting_number(0), sighting_number(1, latitude_deg=None, longitude_deg=None)])
    with psycopg.connect(postgres) as connection:
        found = connection.execute("SELECT ST_X(place), ST_Y(place), ST_SRID(place) FROM cracks ORDER BY number")
        assert found.fetchall() == [(13.4, 52.5, 4326), (None, None, None)]


def test_a_database_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(FleetError, match="detections in PostgreSQL"):
        open_store(f"postgresql://nobody@/none?host={tmp_path}", tmp_path)


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(FleetError, match="another program"):
        open_store(None, path)
    assert path.read_bytes() == before
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(FleetError, match="not a database"):
        open_store(None, path)


def test_a_postgresql_database_of_another_encoding_is_refused(postgres: str, tmp_path: Path) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(FleetError, match="encoding LATIN1"):
        open_store(postgres.replace("/postgres?", "/latin?"), tmp_path / "unused.sqlite")


def test_two_consoles_write_the_same_events_in_any_order(store: DetectionStore) -> None:
    rows = [row for number in range(50) for row in told(number)]
    problems = list[FleetError]()

    def write(rows: list[Sighting]) -> None:
        try:
            for _ in range(5):
                store.add(rows)
        except FleetError as error:
            problems.append(error)

    writers = [threading.Thread(target=write, args=[some]) for some in (rows, rows[::-1])]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not problems
    assert sorted(row.uuid for row in store.rows(CrackFilter())) == sorted(
        told(number)[-1].uuid for number in range(50)
    )


def test_the_map_reads_an_index_alone(tmp_path: Path) -> None:
    from deploy.fleet.console.detections.sqlite import _CLUSTERS, _where

    path = tmp_path / "detections.sqlite"
    open_store(None, path).add([sighting_number(number) for number in range(100)])
    words, values = CrackFilter(box=Box(13, 52, 14, 53)).conditions()
    query = f"EXPLAIN QUERY PLAN {_CLUSTERS} {_where(['latitude_deg IS NOT NULL', *words])}"
    with closing(sqlite3.connect(path)) as connection:
        plan = str(connection.execute(query, values).fetchall())
    assert "COVERING INDEX cracks_place" in plan, plan


def test_postgis_finds_a_crack_by_its_key(postgres: str, tmp_path: Path) -> None:
    import psycopg

    from deploy.fleet.console.detections.postgis import _FIND

    store = open_store(postgres, tmp_path / "unused.sqlite")
    store.add([sighting_number(1)])
    with psycopg.connect(postgres) as connection:
        connection.execute("SET enable_seqscan = off")  # the planner reads so small a table as a whole, else
        plan = str(connection.execute(f"EXPLAIN {_FIND}", [sighting_number(1).event_id]).fetchall())
    assert "cracks_pkey" in plan, plan
