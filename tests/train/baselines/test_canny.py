"""Canny's sweep."""

from __future__ import annotations

import cv2
import numpy as np

from fissura.imaging.images import Mask, RgbImage
from train.baselines.baseline import grey
from train.baselines.canny import Canny, CannyConfig


def test_one_level_is_one_run_of_the_detector(pavements: list[tuple[RgbImage, Mask]]) -> None:
    image, _ = pavements[0]
    options = CannyConfig(sigma_px=1.5, low=0.4, levels=1)
    brightness = grey(image, options.sigma_px)
    across, down = cv2.Sobel(brightness, cv2.CV_32F, 1, 0), cv2.Sobel(brightness, cv2.CV_32F, 0, 1)
    scale = 16_000 / np.hypot(across, down).max()
    across, down = (np.rint(part * scale).astype(np.int16) for part in (across, down))
    edges = cv2.Canny(across, down, 0.4 * 8_000, 8_000, L2gradient=True) > 0
    inside = (slice(2, -2), slice(2, -2))  # the gradient at the border depends on the padding
    assert np.array_equal(Canny(options).score(image)[inside] > 0, edges[inside])


def test_levels_are_nested(pavements: list[tuple[RgbImage, Mask]]) -> None:
    # A share k/n then means "at the k lowest thresholds", so it can be thresholded in turn.
    image, _ = pavements[1]
    image = image // 2 + np.random.default_rng(0).integers(0, 100, image.shape, np.uint8)  # faint edges too
    three = Canny(CannyConfig(levels=3)).score(image)
    one = Canny(CannyConfig(levels=1)).score(image)  # the middle one of the three
    assert np.array_equal(three > 0.5, one > 0.5)
    assert 0 < one.sum() < (three > 0).sum()
