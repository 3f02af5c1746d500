from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.fleet.console.detections.export import FORMULA, csv_table, geojson
from deploy.fleet.console.detections.sighting import sighting
from tests.deploy.fleet.console.sightings import detection, sighting_number

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def test_geojson_is_what_the_standard_says() -> None:
    rows = [
        sighting_number(1, latitude_deg=52.123456789, longitude_deg=-13.987654321),
        sighting_number(2, latitude_deg=None, longitude_deg=None),
        sighting_number(3, altitude_m=40.5),
    ]
    document = json.loads(b"".join(geojson(rows)))
    first, second = document["features"]
    assert document["type"] == "FeatureCollection" and first["type"] == "Feature"
    assert first["geometry"] == {"type": "Point", "coordinates": [-13.9876543, 52.1234568]}  # longitude first
    assert second["geometry"]["coordinates"][2] == 40.5
    assert first["id"] == rows[0].event_id
    assert first["properties"]["captured_utc"] == "2023-11-14T22:13:21Z"
    assert "latitude_deg" not in first["properties"] and first["properties"]["max_width_mm"] == 2.0


@settings(max_examples=20)
@given(st.sampled_from((0, 1, 499, 500, 501, 1000)), TEXT)
def test_geojson_is_json_however_many_and_whatever_they_say(count: int, text: str) -> None:
    document = json.loads(b"".join(geojson(sighting_number(n, mission_id=text) for n in range(count))))
    assert len(document["features"]) == count
    assert all(feature["properties"]["mission_id"] == text for feature in document["features"][:1])


@given(TEXT)
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    rows = [sighting_number(1, mission_id=text, source=f"={text}"), sighting_number(2, longitude_deg=-13.4)]
    table = b"".join(csv_table(rows)).decode()
    first, second = csv.DictReader(io.StringIO(table, newline=""))
    assert not first["mission_id"].startswith(FORMULA) and first["source"] == f"'={text}"
    assert first["mission_id"] in (text, f"'{text}")
    assert second["longitude_deg"] == "-13.4", "a number is no formula"


def test_the_table_holds_all_of_them() -> None:
    rows = [sighting_number(n, **({} if n % 2 else {"latitude_deg": None, "longitude_deg": None})) for n in range(1050)]
    read = list(csv.DictReader(io.StringIO(b"".join(csv_table(rows)).decode(), newline="")))
    assert [row["uuid"] for row in read] == [row.uuid for row in rows]
    assert read[0]["latitude_deg"] == "" and float(read[1]["latitude_deg"]) == 52.5001


def test_the_head_stands_in_an_empty_table_too() -> None:
    assert b"".join(csv_table([])).startswith(b"uuid,event_id,serial,captured_utc,")


def test_the_earliest_time_can_be_written() -> None:
    early = datetime(1, 1, 1, tzinfo=timezone.utc).timestamp()
    assert b"0001-01-01T00:00:00Z" in b"".join(csv_table([sighting_number(1, captured_s=early)]))


@pytest.mark.parametrize("captured_s", [253402300800.0, 1e18, -1e18, float("inf")])
def test_a_time_that_cannot_be_does_not_end_the_file(captured_s: float) -> None:
    rows = [sighting_number(1), sighting_number(2, captured_s=captured_s), sighting_number(3)]
    table = list(csv.DictReader(io.StringIO(b"".join(csv_table(rows)).decode())))
    assert [row["captured_utc"] != "" for row in table] == [True, False, True]
    assert len(json.loads(b"".join(geojson(rows)))["features"]) == 3


@pytest.mark.parametrize("year", [1, 1969, 2100, 9999])
def test_a_year_that_no_clock_shows_is_not_stored(year: int) -> None:
    message = detection("truck-01", 1)
    frame = message.frame.model_copy(update={"captured_utc": datetime(year, 12, 31, 23, 59, 59, 999999, timezone.utc)})
    with pytest.raises(ValueError, match=f"year {year}"):
        sighting(message.model_copy(update={"frame": frame}))
    assert sighting(message).captured_s == 1_700_000_001.0
