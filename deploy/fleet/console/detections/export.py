"""Cracks as files, piece by piece: GeoJSON (RFC 7946) for maps, CSV for everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from deploy.fleet.console.detections.sighting import COLUMNS, Sighting

DIGITS = 7  # of a degree: a centimetre
PLACE = ("latitude_deg", "longitude_deg", "altitude_m")
TOGETHER = 500  # rows of a piece
# What a spreadsheet takes for a formula, at the start of a cell.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)  # `json.dumps` would make one for each row


def geojson(rows: Iterable[Sighting]) -> Iterator[bytes]:
    """A FeatureCollection of points, longitude first. Cracks without a position are left out."""
    yield b'{"type": "FeatureCollection", "features": ['
    separator = ""
    for batch in _batches(row for row in rows if row.longitude_deg is not None):
        yield (separator + ",\n".join(_JSON.encode(feature(row)) for row in batch)).encode()
        separator = ",\n"
    yield b"]}\n"


def feature(row: Sighting) -> dict[str, object]:
    """A crack as a GeoJSON feature; it has a position."""
    assert row.longitude_deg is not None and row.latitude_deg is not None
    place = [round(row.longitude_deg, DIGITS), round(row.latitude_deg, DIGITS)]
    if row.altitude_m is not None:
        place.append(row.altitude_m)
    properties = _readable(row)
    for name in (*PLACE, "event_id"):
        del properties[name]
    return {
        "type": "Feature",
        "id": row.event_id,
        "geometry": {"type": "Point", "coordinates": place},
        "properties": properties,
    }


def csv_table(rows: Iterable[Sighting]) -> Iterator[bytes]:
    """All cracks, a line each, with a head; no cell is a formula."""
    yield _lines([list(_HEAD)])
    for batch in _batches(rows):
        yield _lines([[_cell(value) for value in _readable(row).values()] for row in batch])


def _readable(row: Sighting) -> dict[str, object]:
    """The fields, time in words."""
    given = vars(row)
    values: dict[str, object] = {head: given[name] for head, name in _HEAD.items()}
    values["captured_utc"] = _moment(row.captured_s)
    if row.latitude_deg is not None and row.longitude_deg is not None:
        values["latitude_deg"] = round(row.latitude_deg, DIGITS)
        values["longitude_deg"] = round(row.longitude_deg, DIGITS)
    return values


def _moment(at_s: float) -> str:
    try:
        return datetime.fromtimestamp(at_s, timezone.utc).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # another program wrote it; one row must not end the file
        return ""


# `part_of` is null wherever a crack is given out.
_HEAD = {"captured_utc" if name == "captured_s" else name: name for name in COLUMNS if name != "part_of"}


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _lines(rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _batches(rows: Iterable[Sighting]) -> Iterator[list[Sighting]]:
    batch: list[Sighting] = []
    for row in rows:
        batch.append(row)
        if len(batch) == TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch
