"""Canny's edges, over a sweep of the hysteresis threshold."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from fissura.config import Config
from fissura.imaging.images import RgbImage
from train.baselines.baseline import Baseline, Scores, grey

GRADIENT_RANGE = 16_000  # of the int16 gradients: the square of a magnitude fits OpenCV's int


class CannyConfig(Config):
    """Options of `Canny`. Paper 001 states none; `low` is the usual ratio, `sigma_px` suits cracks of 3 to 4 px."""

    sigma_px: float = Field(default=2.0, ge=0, le=20, description="Gaussian before the gradient")
    low: float = Field(default=0.4, ge=0, le=1, description="low threshold, as a share of the high one")
    levels: int = Field(default=49, ge=1, le=999, description="high thresholds tried")


class Canny(Baseline):
    """The share of settings under which Canny's detector marks the pixel.

    The high threshold goes through `levels` even steps between 0 and the largest gradient of the image, so 0.5 means
    an edge up to half of that gradient. Edges of a higher threshold are edges of a lower one too, so each score level
    is one run of the detector. Canny marks both sides of a crack, not its inside.

    Reference:
        Canny, "A computational approach to edge detection", PAMI 8(6), 1986; a baseline of paper 001 (tables III, IV).
    """

    config = CannyConfig

    def __init__(self, options: CannyConfig | None = None) -> None:
        self.options = options or CannyConfig()

    def score(self, frame: RgbImage) -> Scores:
        brightness = grey(frame, self.options.sigma_px)
        across = cv2.Sobel(brightness, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE)
        down = cv2.Sobel(brightness, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE)
        largest = float(cv2.magnitude(across, down).max(initial=0.0))
        marked = np.zeros(brightness.shape, np.float32)
        if largest < 1e-6:  # a plain surface: rounding errors are no edges
            return marked
        across, down = (np.rint(part * (GRADIENT_RANGE / largest)).astype(np.int16) for part in (across, down))
        for level in range(1, self.options.levels + 1):
            high = GRADIENT_RANGE * level / (self.options.levels + 1)
            marked += cv2.Canny(across, down, self.options.low * high, high, L2gradient=True) > 0
        return marked / np.float32(self.options.levels)
