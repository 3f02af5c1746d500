"""Motion blur and defocus spread a point exactly as far as physics says, in linear light."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from fissura.imaging.degradation.defocus import DefocusConfig, defocus
from fissura.imaging.degradation.linear_light import to_linear, to_srgb
from fissura.imaging.degradation.motion_blur import MotionBlurConfig, motion_blur
from fissura.imaging.degradation.point_spread import spread_kernel
from fissura.imaging.images import RgbImage

GREY = 100  # around the point, so that weights below zero show too
POINT = np.full((61, 61, 3), GREY, np.uint8)
POINT[30, 30] = 255
DRAW = np.random.default_rng(0)


def moments(light: NDArray[np.floating]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Sum, centre (x, y) and covariance of an (m, m) map around its middle pixel."""
    half = light.shape[0] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    at = np.stack([x.ravel(), y.ravel()]).astype(float)
    weight = light.ravel().astype(float)
    return float(weight.sum()), at @ weight, (at * weight) @ at.T


def spread(image: RgbImage) -> NDArray[np.float64]:
    """The light of the blurred point, 1 in all."""
    ground = float(to_linear(np.uint8(GREY)))
    return (to_linear(image)[..., 0].astype(float) - ground) / (1 - ground)


@given(st.floats(0, 30), st.floats(-180, 180))
def test_a_line_keeps_its_light_centre_length_and_direction(length: float, direction_deg: float) -> None:
    angle = math.radians(direction_deg)
    along = (np.arange(2000) + 0.5) / 2000 - 0.5
    axis = np.array([math.cos(angle), math.sin(angle)])
    total, centre, covariance = moments(spread_kernel(np.outer(along * length, axis)))
    assert total == pytest.approx(1, abs=1e-5)
    assert np.allclose(centre, 0, atol=1e-4)
    assert np.allclose(covariance, length**2 / 12 * np.outer(axis, axis), atol=1e-3)


@pytest.mark.parametrize(("length", "direction_deg"), [(0.0, 0.0), (6.4, 0.0), (6.4, 90.0), (9.0, 30.0)])
def test_motion_blur_of_a_point(length: float, direction_deg: float) -> None:
    config = MotionBlurConfig(length_px=length, direction_deg=direction_deg)
    light = spread(motion_blur(POINT, config, DRAW))
    total, centre, covariance = moments(light)
    assert total == pytest.approx(1, abs=0.03)
    assert np.allclose(centre, 0, atol=0.05)
    angle = math.radians(direction_deg)
    axis = np.array([math.cos(angle), math.sin(angle)])
    assert axis @ covariance @ axis == pytest.approx(length**2 / 12, rel=0.08, abs=1e-6)


@pytest.mark.parametrize("radius", [0.0, 0.4, 1.0, 2.5, 6.0])
def test_defocus_of_a_point_is_a_disk(radius: float) -> None:
    light = spread(defocus(POINT, DefocusConfig(radius_px=radius), DRAW))
    assert np.array_equal(light, np.rot90(light))
    total, _, covariance = moments(light)
    assert total == pytest.approx(1, abs=0.06)  # eight bits
    if radius >= 1:
        assert covariance[0, 0] == pytest.approx(radius**2 / 4, rel=0.1)
    if radius >= 2.5:  # flat inside, dark outside
        y, x = np.mgrid[-30:31, -30:31]
        distance = np.hypot(x, y)
        inside = light[distance < radius - 1.2]
        assert np.allclose(inside, 1 / (math.pi * radius**2), rtol=0.15)
        assert np.abs(light[distance > radius + 3]).max() == 0


def test_blur_is_in_linear_light() -> None:
    """Half black and half white light is sRGB 188, not 128."""
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 255
    found = motion_blur(stripes, MotionBlurConfig(length_px=40, direction_deg=0), DRAW)
    assert abs(int(found[20, 20, 0]) - 188) <= 4


def test_linear_light_and_back_is_exact() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(to_srgb(to_linear(values)), values)
    assert to_linear(values).max() == 1
    assert np.array_equal(to_srgb(np.array([-0.5, 1.5], np.float32)), [0, 255])


def test_length_is_speed_times_exposure_over_gsd() -> None:
    # 60 km/h, half a millisecond, 2 mm a pixel.
    config = MotionBlurConfig(speed_m_per_s=60 / 3.6, exposure_s=0.0005, gsd_mm_per_px=2)
    assert config.blur_px == pytest.approx(4.1667, abs=1e-4)
    same = MotionBlurConfig(length_px=config.blur_px)
    image = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    blurred = [motion_blur(image, one, np.random.default_rng(5)) for one in (config, same)]
    assert np.array_equal(*blurred)


def test_direction_is_drawn_where_it_is_not_given() -> None:
    image = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    config = MotionBlurConfig(length_px=5)
    first, other = (motion_blur(image, config, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"length_px": 2, "speed_m_per_s": 3},
        {"speed_m_per_s": 3, "exposure_s": 0.001},
        {"length_px": -1},
        {"speed_m_per_s": 100, "exposure_s": 1, "gsd_mm_per_px": 1},
    ],
)
def test_contradictory_motion_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        MotionBlurConfig(**options)
