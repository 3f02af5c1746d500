"""Clips for the benchmark of the cascade: what is laid where, and how many tiles hold cracks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from fissura.dataset import data_folder
from fissura.errors import DatasetError
from fissura.imaging.resample import frame_of

SIZE = (384, 512)
TILE = 64


@pytest.fixture(scope="module")
def pictures(cascade: Any) -> list[Any]:
    """Ten grainy pictures with a dark crack each."""
    return [picture(cascade, index) for index in range(10)]


def picture(cascade: Any, seed: int, crack: bool = True, sigma: float = 1.0) -> Any:
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (160, 200, 3)), (0, 0), sigma)
    image = 120 + 12 * grain / grain.std()
    mask = np.zeros((160, 200), np.uint8)
    if crack:
        height = int(rng.integers(40, 120))
        cv2.line(mask, (20, height), (180, height + int(rng.integers(-20, 20))), 1, 3)
        image[mask > 0] = 40
    return cascade.pictures.take_apart(f"set/{seed}", image.clip(0, 255).astype(np.uint8), mask > 0)


@settings(max_examples=50, deadline=None)
@given(
    truth=numpy_strategies.arrays(
        np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.booleans(), fill=st.just(False)
    ),
    tile=st.integers(1, 17),
)
def test_a_tile_with_one_crack_pixel_holds_a_crack(cascade: Any, truth: np.ndarray, tile: int) -> None:
    found = cascade.crops.crack_tiles(truth, tile)
    assert found.shape == tuple(-(-side // tile) for side in truth.shape)
    for (row, column), value in np.ndenumerate(found):
        assert value == truth[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile].any()


def test_light_and_texture_are_the_picture(cascade: Any) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (80, 90, 3), np.uint8)
    found = cascade.pictures.take_apart("set/0", image, np.zeros((80, 90), bool))
    np.testing.assert_allclose(np.exp(found.light + found.texture) - 1, image, atol=1e-3)


def test_a_crack_does_not_darken_the_light(cascade: Any) -> None:
    image, crack = np.full((100, 100, 3), 150, np.uint8), np.zeros((100, 100), bool)
    crack[48:52] = True
    image[crack] = 10
    light = cascade.pictures.take_apart("set/0", image, crack).light
    np.testing.assert_allclose(light, np.log(151), atol=0.05)


def test_windows_of_the_ground_keep_clear_of_cracks(cascade: Any, pictures: list[Any]) -> None:
    places = cascade.pictures.sound_places(pictures[0], 40)
    assert len(places)
    for y, x in places:
        assert not pictures[0].crack[y : y + 40, x : x + 40].any()
    assert len(cascade.pictures.sound_places(pictures[0], 161)) == 0


def test_seams_are_as_rough_as_the_rest(cascade: Any, pictures: list[Any]) -> None:
    """An average of two textures would have 0.75 times the contrast in the middle of a seam."""
    plain = [picture(cascade, seed, crack=False) for seed in range(4)]
    contrast = plain[0].contrast
    canvas = cascade.ground.quilt(np.random.default_rng(0), plain, contrast, (800, 800))
    step, overlap = cascade.ground.WINDOW_PX - cascade.ground.OVERLAP_PX, cascade.ground.OVERLAP_PX
    position = np.arange(800) % step
    middle = np.abs(position - overlap / 2) < 3
    inside = position > overlap
    seams, rest = canvas[:, middle][inside], canvas[:, inside][inside]
    assert seams.std() == pytest.approx(rest.std(), rel=0.06)
    assert rest.std() == pytest.approx(contrast, rel=0.1)


def test_no_sound_pavement_is_refused(cascade: Any, pictures: list[Any]) -> None:
    small = cascade.pictures.take_apart("set/0", np.full((50, 50, 3), 99, np.uint8), np.zeros((50, 50), bool))
    with pytest.raises(DatasetError, match="none of 1 pictures"):
        cascade.ground.quilt(np.random.default_rng(0), [small], 0.1, SIZE)


@pytest.mark.parametrize("tiles", [0, 1, 3, 5, 12, 20])
def test_as_many_tiles_hold_cracks_as_asked_for(cascade: Any, pictures: list[Any], tiles: int) -> None:
    made = cascade.mosaic.make_mosaic(np.random.default_rng(tiles), pictures, [], SIZE, TILE, tiles)
    assert cascade.crops.crack_tiles(made.truth, TILE).sum() == tiles
    assert (made.image.shape, made.image.dtype, made.truth.shape) == ((*SIZE, 3), np.uint8, SIZE)
    covered = np.zeros(SIZE, int)
    for crop in made.crops:
        covered[crop.place] += 1
    assert covered.max() <= 1
    assert not made.truth[covered == 0].any()


def test_cracks_are_dark_where_the_truth_is(cascade: Any, pictures: list[Any]) -> None:
    made = cascade.mosaic.make_mosaic(np.random.default_rng(1), pictures, [], SIZE, TILE, 12)
    grey = made.image.mean(axis=2)
    assert np.median(grey[made.truth]) < np.percentile(grey[~made.truth], 1)


def test_plain_pictures_lie_beside_the_cracks(cascade: Any, pictures: list[Any]) -> None:
    plain = [picture(cascade, 50, crack=False), picture(cascade, 51, crack=False, sigma=6.0)]
    made = cascade.mosaic.make_mosaic(np.random.default_rng(1), pictures, plain, SIZE, TILE, 3)
    assert made.crops[-1].picture is plain[0]
    assert plain[1] not in [crop.picture for crop in made.crops]  # another grain


def test_pictures_of_unlike_surfaces_are_refused(cascade: Any) -> None:
    unlike = [picture(cascade, seed, sigma=0.5 + seed) for seed in range(9)]
    with pytest.raises(DatasetError, match="alike"):
        cascade.mosaic.make_mosaic(np.random.default_rng(0), unlike, [], SIZE, TILE, 3)


def test_the_same_seed_makes_the_same_frame(cascade: Any, pictures: list[Any]) -> None:
    config = cascade.clips.ClipConfig(128, 96, seed=3)
    first, again = (cascade.clips.make_frame(config, 0.2, 1, pictures, []) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.truth, again.truth)
    for other, share, index in (
        (cascade.clips.ClipConfig(128, 96, seed=4), 0.2, 1),
        (config, 0.3, 1),
        (config, 0.2, 2),
    ):
        assert (cascade.clips.make_frame(other, share, index, pictures, []).image != first.image).any()


@pytest.mark.parametrize("scale", [2, 4])
def test_a_clip_is_read_back_as_it_was_made(cascade: Any, pictures: list[Any], tmp_path: Path, scale: int) -> None:
    config = cascade.clips.ClipConfig(512 // scale, 384 // scale, scale=scale, tile_px=64 // scale)
    assert config.tiles == 48
    shares = cascade.clips.write_clip(tmp_path / "clip", config, 0.25, 2, [(pictures, "set/test 0")], [])
    facts, frames = cascade.clips.read_clip(tmp_path / "clip")
    assert shares == [frame.share for frame in frames] == [0.25, 0.25]
    assert (facts["target_share"], facts["mean_share"], facts["scale"]) == (0.25, 0.25, scale)
    for index, frame in enumerate(frames):
        made = cascade.clips.make_frame(config, 0.25, index, pictures, [])
        expected, truth = frame_of(made.image, made.truth, scale)
        np.testing.assert_array_equal(frame.image, expected)
        np.testing.assert_array_equal(frame.truth, truth)
        assert cascade.crops.crack_tiles(truth, 64).mean() == frame.share
        assert {crop["source"] for crop in facts["frames"][index]["crops"]} <= {p.source for p in pictures}


def test_real_pictures(cascade: Any) -> None:
    if data_folder() is None:
        pytest.skip("FISSURA_DATA names no folder of data sets")
    pictures, dataset = cascade.pictures.load_pictures("cfd")
    listed = {f"cfd/{sample.id}" for sample in dataset.samples}
    assert dataset.split == "test"
    assert {found.source for found in pictures} < listed  # those with hard changes of light are left out
    assert not {"cfd/084", "cfd/102"} & listed  # unlabelled hairlines
    config = cascade.clips.ClipConfig(256, 160)
    made = cascade.clips.make_frame(config, 0.1, 0, pictures, [])
    assert cascade.crops.crack_tiles(made.truth, 128).sum() == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shares", "0.7"), "expected a share from 0 to 0.5"),
        (("--shares", "x"), "expected a share"),
        (("--size", "480"), "expected WIDTHxHEIGHT"),
        (("--frames", "0"), "whole number from 1 on"),
    ],
)
def test_refuses_bad_arguments(
    cascade: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["clips.py", str(tmp_path / "out"), *words])
    with pytest.raises(SystemExit) as ended:
        cascade.clips.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_data_set_that_is_not_there_ends_with_2(
    cascade: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["clips.py", str(tmp_path / "out"), "--data", "nosuchset"])
    assert cascade.clips.main() == 2
    assert "there is no data set 'nosuchset'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_clip_json_names_no_folder(cascade: Any, pictures: list[Any], tmp_path: Path) -> None:
    config = cascade.clips.ClipConfig(64, 48)
    cascade.clips.write_clip(tmp_path / "clip", config, 0.25, 1, [(pictures, "set/test 0")], [])
    text = (tmp_path / "clip" / "clip.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["lists"] == ["set/test 0"]
