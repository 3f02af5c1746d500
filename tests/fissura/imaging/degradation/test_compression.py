"""JPEG and H.264: real codecs, colour at half the resolution, the frame of a clip that is hard to code."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fissura.imaging.degradation.h264 import H264Config, h264
from fissura.imaging.degradation.jpeg import JpegConfig, jpeg
from fissura.imaging.images import RgbImage


def texture() -> RgbImage:
    grain = np.random.default_rng(3).normal(120, 25, (96, 128, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(grain, (0, 0), 0.8), 0, 255).astype(np.uint8)


def chroma(image: RgbImage) -> NDArray[np.float64]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., 1].astype(float)


def stripes() -> RgbImage:
    """Red and cyan columns of nearly the same brightness, each one pixel wide."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, ::2], image[:, 1::2] = (200, 80, 80), (29, 155, 155)
    return image


def test_jpeg_loses_fine_colour_but_not_fine_brightness() -> None:
    image = stripes()
    assert chroma(image).std() > 40
    assert chroma(jpeg(image, JpegConfig(quality=100), np.random.default_rng(0))).std() < 4
    grey = texture()[..., :1].repeat(3, axis=2)
    assert np.abs(jpeg(grey, JpegConfig(quality=100), np.random.default_rng(0)).astype(int) - grey).max() <= 2


def test_h264_keeps_a_frame_at_its_best_and_loses_fine_colour() -> None:
    pytest.importorskip("av")
    grey = texture()[..., :1].repeat(3, axis=2)
    found = h264(grey, H264Config(crf=0), np.random.default_rng(0))
    assert np.abs(found.astype(int) - grey).max() <= 4  # lossless besides the colour space
    assert chroma(h264(stripes(), H264Config(crf=0), np.random.default_rng(0))).std() < 8


def test_h264_of_a_moving_camera_is_worse_than_of_a_standing_one() -> None:
    """What a single, or a standing, frame would promise."""
    pytest.importorskip("av")
    image = texture()

    def error(speed_px: float) -> float:
        config = H264Config(crf=30, speed_px=speed_px, direction_deg=20)
        return float(np.mean((h264(image, config, np.random.default_rng(0)).astype(float) - image) ** 2))

    assert error(2.5) > 1.05 * error(0)


def test_h264_depends_on_the_drawn_direction_only() -> None:
    pytest.importorskip("av")
    image, config = texture(), H264Config(crf=30, direction_deg=45)
    first, other = (h264(image, config, np.random.default_rng(seed)) for seed in (1, 2))
    assert np.array_equal(first, other)
    free = config.model_copy(update={"direction_deg": None})
    first, other = (h264(image, free, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(first, other)
