"""Known motions are found again, on rendered pavement and on photographs; what cannot be trusted is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_runtime.registration import Method, Motion, RegistrationConfig, register, view_of
from fissura.dataset import data_folder, find_images
from fissura.imaging.images import Mask, RgbImage, read_rgb
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, FlyoverFrame, film, fly, pose_of

METHODS = get_args(Method)
PICTURES = sorted((Path(__file__).parents[2] / "examples" / "images" / "images").glob("*.jpg"))
QUIET = FlyoverConfig(width=240, height=200, noise=0.02, brightness=0.05, shutter=0, distractors=0)


def found(before: RgbImage, now: RgbImage, method: Method = "ecc", keep: Mask | None = None) -> Motion | None:
    return register(view_of(before, keep), view_of(now, keep), RegistrationConfig(method=method))


def error_px(motion: Motion | None, frame: FlyoverFrame) -> float:
    """Largest error of any corner."""
    assert motion is not None
    return corner_distance(motion.transform, frame.motion, frame.mask.shape)


def corner_distance(a: NDArray[np.float64], b: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    right, bottom = shape[1] - 1, shape[0] - 1
    corners = np.array([[0, 0, 1], [right, 0, 1], [0, bottom, 1], [right, bottom, 1]]).T
    first, second = ((m @ corners)[:2] / (m @ corners)[2] for m in (a, b))
    return float(np.hypot(*(first - second)).max())


def pan(
    picture: RgbImage, x: float, y: float, turn_deg: float = 0.0, config: FlyoverConfig = QUIET
) -> list[FlyoverFrame]:
    """Two frames of a picture, the second moved."""
    middle_x, middle_y = (picture.shape[1] - config.width) / 2, (picture.shape[0] - config.height) / 2
    size = (config.width, config.height)
    poses = [
        pose_of(middle_x, middle_y, 0.0, *size),
        pose_of(middle_x + x, middle_y + y, np.radians(turn_deg), *size),
    ]
    return list(film(np.random.default_rng(0), picture, np.zeros(picture.shape[:2], bool), poses, config))


@settings(max_examples=12, deadline=None)
@given(x=st.floats(-35, 35), y=st.floats(-60, 60), number=st.integers(0, len(PICTURES) - 1))
def test_finds_a_shift_of_a_photograph(x: float, y: float, number: int) -> None:
    """To 0.2 px by ECC at any corner, to half a pixel by phase correlation."""
    before, now = pan(read_rgb(PICTURES[number]), x, y)
    assert error_px(found(before.image, now.image, "ecc"), now) < 0.2
    assert error_px(found(before.image, now.image, "phase"), now) < 0.5


@pytest.mark.parametrize("turn", [-2.0, -0.7, 0.4, 1.5])
def test_finds_a_small_turn(turn: float) -> None:
    before, now = pan(read_rgb(PICTURES[0]), 6.3, -11.8, turn)
    assert error_px(found(before.image, now.image, "ecc"), now) < 0.15
    assert error_px(found(before.image, now.image, "ecc-homography"), now) < 0.5


def test_finds_a_change_of_perspective() -> None:
    picture = read_rgb(PICTURES[1])
    truth = np.array([[1.01, 0.004, 3.0], [-0.003, 0.99, -5.0], [2e-5, -3e-5, 1.0]])
    moved = cv2.warpPerspective(picture, truth, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    motion = found(picture, moved, "ecc-homography")
    assert motion is not None
    assert corner_distance(motion.transform, truth, picture.shape) < 0.3


@pytest.mark.parametrize("method", METHODS)
def test_follows_a_flight_over_pavement(method: Method) -> None:
    config = FlyoverConfig(width=320, height=240, frames=6, speed_px=14.3, turn_deg=0.0, noise=0.03)
    limit = {"phase": 0.5, "ecc": 0.15, "ecc-homography": 0.4}[method]
    for seed in (1, 2):
        for before, now in pairwise(fly(config, SynthConfig(), seed)):
            assert error_px(found(before.image, now.image, method), now) < limit


def test_large_frames_are_reduced_and_the_motion_is_still_theirs() -> None:
    config = FlyoverConfig(width=1280, height=720, frames=2, speed_px=61.7, turn_deg=0.2)
    before, now = fly(config, SynthConfig(), 4)
    view = view_of(now.image)
    assert view.band.shape == (180, 320)
    assert error_px(found(before.image, now.image), now) < 0.4
    assert found(before.image, now.image).overlap == pytest.approx(1 - 61.7 / 720, abs=0.02)  # type: ignore[union-attr]


def test_a_still_camera_has_not_moved() -> None:
    picture = read_rgb(PICTURES[2])
    motion = found(picture, picture)
    assert motion is not None
    assert motion.transform == pytest.approx(np.eye(3), abs=0.02)
    assert motion.trust > 0.99 and motion.overlap > 0.98


@pytest.mark.parametrize("method", METHODS)
def test_unrelated_photographs_are_refused(method: Method) -> None:
    views = [view_of(read_rgb(path)) for path in PICTURES]
    assert len(views) == 12
    assert [register(a, b, RegistrationConfig(method=method)) for a, b in pairwise(views)] == [None] * 11


def test_unrelated_photographs_of_a_phone_are_far_from_being_trusted() -> None:
    folder = data_folder()
    if folder is None or not (folder / "cfd").is_dir():
        pytest.skip("FISSURA_DATA names no folder with cfd")
    images = find_images(folder / "cfd")
    views = [view_of(read_rgb(images[name])) for name in sorted(images)[:20]]
    lenient = RegistrationConfig(min_trust=0.2)
    assert [register(a, b, lenient) for a, b in pairwise(views)] == [None] * 19


def test_what_shows_nothing_is_refused() -> None:
    flat, picture = np.full((120, 160, 3), 130, np.uint8), read_rgb(PICTURES[0])[:120, :160]
    assert found(flat, flat) is None
    assert found(flat, picture) is None
    assert found(picture[:8, :8], picture[:8, :8]) is None
    noise = np.random.default_rng(0).normal(130, 8, (2, 120, 160, 3)).clip(0, 255).astype(np.uint8)
    assert found(*noise) is None


def test_too_little_overlap_and_another_size_are_refused() -> None:
    picture = read_rgb(PICTURES[0])  # 320 x 480
    assert found(picture[:200], picture[170:370]) is None
    assert found(picture[:200], picture[:210]) is None


@pytest.mark.parametrize("method", ["phase", "ecc"])
def test_what_moves_with_the_camera_can_be_left_out(method: Method) -> None:
    """A bonnet with a pattern of its own, in the lower 35 % of the frame."""
    before, now = pan(read_rgb(PICTURES[0]), 4.0, -17.0)
    bonnet = np.random.default_rng(1).integers(0, 255, (70, 240, 3), np.uint8)
    images = []
    for frame in (before, now):
        image = frame.image.copy()
        image[130:] = cv2.GaussianBlur(bonnet, (0, 0), 2) // 2 + 60
        images.append(image)
    keep = np.ones(now.mask.shape, bool)
    keep[130:] = False
    motion = found(*images, method, keep)
    assert motion is not None
    assert motion.transform[:2, 2] == pytest.approx(now.motion[:2, 2], abs=0.3)
