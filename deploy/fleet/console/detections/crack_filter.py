"""Which cracks are asked for: read from an address, turned into SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from fissura.errors import ConfigError, UsageError
from fissura.topics import check_serial


@dataclass(frozen=True)
class Box:
    """Degrees. `west` above `east`: across the 180th meridian."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class CrackFilter:
    """All that is set has to hold.

    Attributes:
        box: where; cracks without a position are outside of every box.
        since_s: captured then or later, UTC.
        until_s: captured before then, UTC.
        serial: of the device.
        min_width_mm: largest width of the crack; those without millimetres are left out.
        min_width_px: the same in pixels.
        min_confidence: 0 to 1.
        min_seen_frames: in how many frames the crack was seen; those of devices that do not track are left out.
    """

    box: Box | None = None
    since_s: float | None = None
    until_s: float | None = None
    serial: str | None = None
    min_width_mm: float | None = None
    min_width_px: float | None = None
    min_confidence: float | None = None
    min_seen_frames: float | None = None

    def conditions(self) -> tuple[list[str], list[object]]:
        """SQL, to be joined by AND, with `?` for their values. What is part of another crack meets none."""
        simple: list[tuple[str, object]] = [
            ("captured_s >= ?", self.since_s),
            ("captured_s < ?", self.until_s),
            ("serial = ?", self.serial),
            ("max_width_mm >= ?", self.min_width_mm),
            ("max_width_px >= ?", self.min_width_px),
            ("confidence >= ?", self.min_confidence),
            ("seen_frames >= ?", self.min_seen_frames),
        ]
        words = ["part_of IS NULL", *(text for text, value in simple if value is not None)]
        values = [value for _, value in simple if value is not None]
        if (box := self.box) is not None:
            joined = "AND" if box.west <= box.east else "OR"
            words.append(f"latitude_deg BETWEEN ? AND ? AND (longitude_deg >= ? {joined} longitude_deg <= ?)")
            values += [box.south, box.north, box.west, box.east]
        return words, values


def read_filter(query: Mapping[str, str]) -> CrackFilter:
    """Read the part of an address behind the question mark; empty values are none.

    Args:
        query: `bbox` (west,south,east,north), `since`, `until` (ISO 8601; without a zone: UTC), `serial`,
            `min_width_mm`, `min_width_px`, `min_confidence`, `min_seen_frames`; others are passed over.

    Raises:
        UsageError: a value makes no sense.
    """
    serial = query.get("serial") or None
    if serial is not None:
        try:
            check_serial(serial)
        except ConfigError as error:
            raise UsageError(error.found, expected=error.expected) from error
    return CrackFilter(
        box=_box(query["bbox"]) if query.get("bbox") else None,
        since_s=_time("since", query),
        until_s=_time("until", query),
        serial=serial,
        min_width_mm=_number("min_width_mm", query, 1e6),
        min_width_px=_number("min_width_px", query, 1e6),
        min_confidence=_number("min_confidence", query, 1),
        min_seen_frames=_number("min_seen_frames", query, 1e6),
    )


def _box(text: str) -> Box:
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        west, south, east, north = 1e9, 0, 0, 0
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise UsageError(f"bbox {text[:100]!r} is no rectangle", expected="west,south,east,north in degrees")
    return Box(west, south, east, north)


def _time(name: str, query: Mapping[str, str]) -> float | None:
    text = query.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not know the letter
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name} {text[:100]!r} is no time", expected="2026-05-31 or 2026-05-31T14:00:00Z") from error


def _number(name: str, query: Mapping[str, str], most: float) -> float | None:
    text = query.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:  # refuses NaN as well
        raise UsageError(f"{name} {text[:100]!r} cannot be", expected=f"a number from 0 to {most:g}")
    return value
