"""The table of positions, and a run that has one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime.position import POSITIONS, open_position
from fissura.cli import main
from fissura.errors import ConfigError
from fissura.messages import Position
from tests.edge_runtime.position.frames import frame_at


def test_a_fixed_camera_is_always_there() -> None:
    source = open_position("fixed:52.5,-13.25")
    assert source.at(frame_at()) == Position(latitude_deg=52.5, longitude_deg=-13.25)
    source.close()


@pytest.mark.parametrize("uri", ["fixed:", "fixed:52", "fixed:95,13", "fixed:a,b", "fixed:1,2,3", "fixed:nan,1"])
def test_a_fixed_place_is_on_the_earth(uri: str) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        open_position(uri)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        open_position("gpds://localhost")
    assert all(f"{name}:" in caught.value.expected for name in POSITIONS) and "gpsd" in caught.value.fix
    with pytest.raises(ConfigError, match="has options"):
        open_position("fixed:52,13?x=1")


def test_a_run_says_where_its_cracks_are(bundle: Path, images: Path, tmp_path: Path) -> None:
    track = tmp_path / "track.csv"
    track.write_text("frame,lat,lon,heading_deg\n0,52,13,90\n4,52.4,13.8,90\n")
    out = tmp_path / "out.jsonl"
    words = [
        "--bundle",
        bundle,
        "--source",
        f"folder:{images}",
        "--sink",
        f"jsonl:{out}",
        "--position",
        f"file:{track}",
    ]
    assert main(["run", *map(str, words), "--threads", "1"]) == 0
    frames = [json.loads(line)["frame"] for line in out.read_text().splitlines()]
    places = {frame["sequence"]: frame["position"] for frame in frames}
    assert len(places) > 1
    for number, place in places.items():
        assert place["latitude_deg"] == pytest.approx(52 + number * 0.1)
        assert place["longitude_deg"] == pytest.approx(13 + number * 0.2) and place["heading_deg"] == 90


def test_a_run_without_one_says_null(bundle: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    words = ["--bundle", bundle, "--source", f"folder:{images}", "--sink", f"jsonl:{out}", "--max-frames", "2"]
    assert main(["run", *map(str, words), "--threads", "1"]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines and all(line["frame"]["position"] is None for line in lines)


def test_a_wrong_one_is_refused_before_anything_runs(
    bundle: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--bundle", bundle, "--source", f"folder:{images}", "--sink", f"jsonl:{tmp_path / 'out.jsonl'}"]
    assert main(["run", *map(str, words), "--position", "fixed:x"]) == 2
    assert "fixed:LATITUDE,LONGITUDE" in capsys.readouterr().err
