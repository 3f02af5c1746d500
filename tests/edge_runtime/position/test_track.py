from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.position import open_position
from edge_runtime.position.position_source import PositionSource
from edge_runtime.position.track import TrackPosition, _between
from fissura.errors import ConfigError
from fissura.messages import Position
from tests.edge_runtime.position.frames import BEGAN, frame_at


def track(folder: Path, text: str) -> PositionSource:
    path = folder / "track.csv"
    path.write_text(text)
    return open_position(f"file:{path}")


def test_it_goes_straight_between_two_rows_of_the_stream_s_time(tmp_path: Path) -> None:
    source = track(tmp_path, "time_s,lat,lon,accuracy_m,heading_deg\n0,52,13,2,90\n4,52.4,13.8,,45\n")
    assert source.at(frame_at(0)) == Position(latitude_deg=52, longitude_deg=13, accuracy_m=2, heading_deg=90)
    between = source.at(frame_at(1))
    assert between is not None and between.heading_deg == 90 and between.accuracy_m == 2
    assert between.latitude_deg == pytest.approx(52.1) and between.longitude_deg == pytest.approx(13.2)
    nearer_the_end = source.at(frame_at(3.5))
    assert nearer_the_end is not None and nearer_the_end.heading_deg == 45 and nearer_the_end.accuracy_m is None


def test_each_source_has_its_own_beginning(tmp_path: Path) -> None:
    source = track(tmp_path, "time_s,lat,lon\n0,52,13\n4,52.4,13.8\n")
    source.at(frame_at(100, source="rear"))
    rear, front = source.at(frame_at(101, source="rear")), source.at(frame_at(7))
    assert rear is not None and front is not None
    assert rear.latitude_deg == pytest.approx(52.1) and front.latitude_deg == 52


def test_before_after_and_in_a_gap_nobody_knows(tmp_path: Path) -> None:
    source = track(tmp_path, "time_s,lat,lon\n5,52,13\n6,52,14\n60,52,15\n61,52,16\n")
    source.at(frame_at(0))  # from here on the time counts

    def known(seconds: float) -> float | None:
        position = source.at(frame_at(seconds))
        return None if position is None else position.longitude_deg

    assert [known(seconds) for seconds in (0, 2.9, 3.1, 5)] == [None, None, 13, 13]
    assert [known(seconds) for seconds in (6, 7.9, 8.1, 57.9, 58.1, 60)] == [14, 14, None, None, 15, 15]
    assert [known(seconds) for seconds in (62.9, 63.1)] == [16, None]


def test_a_track_may_have_dates(tmp_path: Path) -> None:
    began_s = BEGAN.timestamp()
    source = track(tmp_path, f"time_s,lat,lon\n{began_s},52,13\n{began_s + 2},52,14\n")
    position = source.at(frame_at(1))
    assert position is not None and position.longitude_deg == pytest.approx(13.5)
    assert source.at(frame_at(60)) is None


def test_or_numbers_of_frames(tmp_path: Path) -> None:
    source = track(tmp_path, "frame,lat,lon\n0,52,13\n100,52,14\n")
    found = [source.at(frame_at(number=number)) for number in (0, 50, 100, 101)]
    assert [None if one is None else one.longitude_deg for one in found] == [13, 13.5, 14, None]


@given(st.floats(-180, 180), st.floats(-180, 180), st.floats(0, 1))
def test_the_way_between_is_the_short_one_and_stays_on_the_earth(first: float, second: float, share: float) -> None:
    begin, end = (Position(latitude_deg=0, longitude_deg=longitude) for longitude in (first, second))
    between = Position.model_validate(_between(begin, end, share).model_dump()).longitude_deg

    def apart(one: float, other: float) -> float:
        return abs((other - one + 180) % 360 - 180)

    assert apart(first, between) <= apart(first, second) + 1e-6
    assert apart(between, second) <= apart(first, second) + 1e-6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no column 'time_s'"),
        ("time_s,lat\n", "no column 'lon'"),
        ("time_s,lat,lon\n", "is empty"),
        ("time_s,lat,lon\n1,52,13\n1,52,13\n", "follows"),
        ("time_s,lat,lon\n1,52,13\nnan,52,13\n", "follows"),
        ("time_s,lat,lon\n1,95,13\n", "line 2 is not understood"),
        ("time_s,lat,lon\n1,52\n", "line 2 is not understood"),
        ("time_s,lat,lon,heading_deg\n1,52,13,north\n", "line 2 is not understood"),
    ],
)
def test_what_is_no_track_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        track(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        TrackPosition(str(tmp_path / "none.csv"))
