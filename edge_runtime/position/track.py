"""A track that was recorded beside the pictures: ``file:TRACK.csv``.

Columns `time_s` or `frame`, `lat`, `lon`, and optionally `accuracy_m` and `heading_deg`. The time counts from the first
frame of a source, or, from 10^9 on, from 1970 (UTC); frames count from 0, as messages say.
"""

from __future__ import annotations

import csv
import threading
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from edge_runtime.frame import Frame
from fissura.errors import ConfigError
from fissura.messages import Position

ABSOLUTE_S = 1e9  # a larger time is a date, not a duration
LONGEST_GAP_S = 10.0  # between two rows; in a longer one nobody knows the way
LONGEST_AGE_S = 2.0  # before the first row and after the last
TIME, FRAME = "time_s", "frame"


class TrackPosition:
    """A `PositionSource`; between two rows it goes straight.

    Args:
        target: path of the file.

    Raises:
        ConfigError: it cannot be read, has no rows, or its times or frames do not grow.
    """

    def __init__(self, target: str) -> None:
        self._column, self._rows = _read(Path(target))
        self._marks = [mark for mark, _ in self._rows]
        self._lock = threading.Lock()
        self._begins_s: dict[str, float] = {}

    def at(self, frame: Frame) -> Position | None:
        mark = self._mark(frame)
        after = bisect_right(self._marks, mark)
        if after == 0:
            return self._near(0, mark)
        if after == len(self._rows):
            return self._near(-1, mark)
        (begin, first), (end, second) = self._rows[after - 1 : after + 1]
        if self._column == TIME and end - begin > LONGEST_GAP_S:
            return self._near(after - 1, mark) or self._near(after, mark)
        return _between(first, second, (mark - begin) / (end - begin))

    def close(self) -> None:
        """Holds nothing."""

    def _mark(self, frame: Frame) -> float:
        """Where in the track's column a frame stands."""
        if self._column == FRAME:
            return frame.sequence
        time_s = frame.captured_utc.timestamp()
        if self._marks[0] >= ABSOLUTE_S:
            return time_s
        with self._lock:
            return time_s - self._begins_s.setdefault(frame.source, time_s)

    def _near(self, row: int, mark: float) -> Position | None:
        longest = LONGEST_AGE_S if self._column == TIME else 0
        return self._rows[row][1] if abs(mark - self._marks[row]) <= longest else None


def _between(first: Position, second: Position, share: float) -> Position:
    nearer = first if share < 0.5 else second
    east = (second.longitude_deg - first.longitude_deg + 180) % 360 - 180  # the short way round the earth
    longitude = (first.longitude_deg + share * east + 180) % 360 - 180
    latitude = first.latitude_deg + share * (second.latitude_deg - first.latitude_deg)
    return nearer.model_copy(update={"latitude_deg": latitude, "longitude_deg": longitude})


def _read(path: Path) -> tuple[str, list[tuple[float, Position]]]:
    """The column that orders the rows, and the rows."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or ()
            column = FRAME if FRAME in columns and TIME not in columns else TIME
            missing = [name for name in (column, "lat", "lon") if name not in columns]
            if missing:
                raise ConfigError(
                    f"track {path} has no column {missing[0]!r}",
                    expected="time_s (or frame), lat, lon, and optionally accuracy_m, heading_deg",
                )
            rows = [_row(row, column, f"track {path}, line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"track {path} cannot be read: {error}") from error
    if not rows:
        raise ConfigError(f"track {path} is empty", expected="a row for each position")
    for (before, _), (mark, _) in pairwise(rows):
        if not mark > before:
            raise ConfigError(f"track {path}: {column} {mark:g} follows {before:g}", expected="values that grow")
    return column, rows


def _row(row: dict[str, str], column: str, where: str) -> tuple[float, Position]:
    values = {
        "latitude_deg": row["lat"],
        "longitude_deg": row["lon"],
        "accuracy_m": row.get("accuracy_m") or None,
        "heading_deg": row.get("heading_deg") or None,
    }
    try:
        return float(row[column]), Position.model_validate(values)
    except (ValueError, TypeError, ValidationError) as error:
        raise ConfigError(f"{where} is not understood", expected="numbers: seconds, degrees, metres") from error
