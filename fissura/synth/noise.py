"""Smooth random fields of a chosen grain size: what textures, stains and wavering lines are made of."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Field = NDArray[np.float32]
Line = NDArray[np.float64]

# Below this sigma a Gaussian on the pixel grid is a single pixel.
MIN_SIGMA_PX = 0.35
# Wider fields hold no more detail than a coarse grid does, which is much cheaper to draw.
COARSE_SIGMA_PX = 5.0


def field(rng: np.random.Generator, height: int, width: int, sigma_px: float) -> Field:
    """Gaussian random field of mean 0 and expected variance 1, correlated over about `sigma_px`.

    Grain finer than a pixel averages out: the field's amplitude falls in proportion.

    Returns:
        (height, width) float32.
    """
    if sigma_px > COARSE_SIGMA_PX:
        step = sigma_px / 2
        rows, columns = math.ceil(height / step) + 2, math.ceil(width / step) + 2
        coarse = field(rng, rows, columns, 2.0)
        shift_x, shift_y = rng.random(2)
        grid = np.array([[1 / step, 0, shift_x + 0.5], [0, 1 / step, shift_y + 0.5]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(coarse, grid, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
    white = rng.standard_normal((height, width), dtype=np.float32)
    if sigma_px < MIN_SIGMA_PX:
        return white * np.float32(sigma_px / MIN_SIGMA_PX)
    # A Gaussian kernel's squares sum to 1 / (2 sigma sqrt(pi)) per axis.
    kernel = cv2.getGaussianKernel(2 * math.ceil(3 * sigma_px) + 1, sigma_px, cv2.CV_32F)
    gain = 1 / float((kernel**2).sum())
    return cv2.sepFilter2D(white, -1, kernel, kernel * gain, borderType=cv2.BORDER_REFLECT)


def line(rng: np.random.Generator, count: int, sigma: float) -> Line:
    """Gaussian random sequence (count,) of mean 0 and expected variance 1, correlated over about `sigma` samples."""
    margin = math.ceil(3 * sigma)
    smooth = gaussian_filter1d(rng.standard_normal(count + 2 * margin), sigma, truncate=3.0)
    return smooth[margin : margin + count] * math.sqrt(2 * math.sqrt(math.pi) * sigma)


def step_up(values: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)
