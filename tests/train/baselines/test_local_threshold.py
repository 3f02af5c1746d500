"""Contrast to the local mean."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from fissura.imaging.images import Mask, RgbImage
from train.baselines.baseline import grey
from train.baselines.local_threshold import LocalThreshold, LocalThresholdConfig


def test_one_half_is_the_plain_rule(pavements: list[tuple[RgbImage, Mask]]) -> None:
    image, _ = pavements[0]
    options = LocalThresholdConfig(sigma_px=1, radius_px=10, offset=0.1)
    brightness = grey(image, 1)
    plain = brightness < gaussian_filter(brightness, 10) - 0.1
    score = LocalThreshold(options).score(image)
    assert (score > 0.5).any()
    assert np.mean((score > 0.5) == plain) > 0.999  # float32 at the threshold itself


def test_brighter_than_around_scores_nothing() -> None:
    frame = np.full((60, 60, 3), 100, np.uint8)
    frame[28:32] = 200
    assert LocalThreshold().score(frame)[29:31].max() == 0
