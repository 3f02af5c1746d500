"""Blur by a point spread that need not lie on whole pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.degradation.linear_light import to_linear, to_srgb
from fissura.imaging.images import RgbImage
from fissura.imaging.resample import cubic


def spread_kernel(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """The kernel of a point of light that is spread evenly over a set of points.

    Each point is placed between the pixels by the cubic kernel of `fissura.imaging.resample`. That kernel reproduces
    quadratic functions, so that the blur is exactly as wide as the points are (their mean square distance), however
    small: a linear one would add a sixth of a square pixel, which is more than a blur of 1 px has itself. The price
    are weights slightly below zero at the rim.

    Args:
        points: (n, 2) x and y from the middle, pixels.

    Returns:
        (m, m) float32, m odd, sum 1.
    """
    reach = math.ceil(np.abs(points).max()) + 1
    grid = np.arange(-reach, reach + 1)
    across, down = (cubic(grid - points[:, axis, None]) for axis in (0, 1))
    return (down.T @ across / len(points)).astype(np.float32)


def blurred(image: RgbImage, kernel: NDArray[np.float32]) -> RgbImage:
    """Blur an (H, W, 3) uint8 sRGB image in linear light; it is mirrored beyond its border."""
    return to_srgb(cv2.filter2D(to_linear(image), -1, kernel, borderType=cv2.BORDER_REFLECT))
