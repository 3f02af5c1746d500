"""Shapes of known size, drawn by the share of each pixel that they cover."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SUPERSAMPLING = 6


def bar(
    length: float, width: float, degrees: float, *, shift: tuple[float, float] = (0.0, 0.0), scale: int = 1
) -> NDArray[np.float32]:
    """Coverage (0 to 1) of a straight bar with square ends in a frame that it does not touch; sizes in pixels.

    `scale` draws the same scene with that many pixels per pixel along each axis.
    """
    side = int(length + width) + 8
    grid = (np.arange(side * scale * SUPERSAMPLING) + 0.5) / (scale * SUPERSAMPLING) - side / 2
    x, y = grid[None, :] - shift[0], grid[:, None] - shift[1]
    angle = np.deg2rad(degrees)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
    cells = inside.reshape(side * scale, SUPERSAMPLING, side * scale, SUPERSAMPLING)
    return cells.mean(axis=(1, 3)).astype(np.float32)


def blobs(seed: int, side: int, share: float) -> NDArray[np.bool_]:
    """A random mask with rough components of all sizes, some with holes."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((side, side)), (0, 0), rng.uniform(0.6, 3))
    return noise > np.quantile(noise, 1 - share)
