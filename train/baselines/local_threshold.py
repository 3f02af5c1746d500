"""Local thresholding: darker than the surroundings."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from skimage.filters import threshold_local

from fissura.config import Config
from fissura.imaging.images import RgbImage
from train.baselines.baseline import Baseline, Scores, grey


class LocalThresholdConfig(Config):
    """Options of `LocalThreshold`. Paper 001 states none; these suit CFD's training images."""

    sigma_px: float = Field(default=2.0, ge=0, le=20, description="Gaussian before the comparison")
    radius_px: float = Field(default=15.0, gt=0, le=500, description="sigma of the Gaussian that is the local mean")
    offset: float = Field(default=0.05, gt=0, lt=1, description="contrast of score 0.5; brightness lies in [0, 1]")


class LocalThreshold(Baseline):
    """Contrast c to the local mean, as ``c / (c + offset)``; 0 where the pixel is brighter than the mean.

    A score of 0.5 is the plain rule "crack where the brightness is below the local mean less `offset`"
    (`skimage.filters.threshold_local`, Gaussian).

    Reference:
        a baseline of paper 001 (tables III, IV), whose window and offset are unpublished.
    """

    config = LocalThresholdConfig

    def __init__(self, options: LocalThresholdConfig | None = None) -> None:
        self.options = options or LocalThresholdConfig()

    def score(self, frame: RgbImage) -> Scores:
        brightness = grey(frame, self.options.sigma_px)
        # The block size must be odd; with `param` it sets nothing else.
        mean = threshold_local(brightness, 3, method="gaussian", param=self.options.radius_px)
        contrast = np.maximum(mean - brightness, 0.0)
        return (contrast / (contrast + self.options.offset)).astype(np.float32)
