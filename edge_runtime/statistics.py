"""Colour statistics of a whole frame, for graphs that normalise by them and see a part of it (see `Graph.statistics`).

Sums are taken in float64: the variance of a flat road is the small difference of two large sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import RgbImage

Statistics = NDArray[np.float32]


class ColourSums:
    """Mean and variance of an image that comes in parts."""

    def __init__(self) -> None:
        self._pixels = 0
        self._sum = np.zeros(3)
        self._squares = np.zeros(3)

    def add(self, part: NDArray[np.float32]) -> None:
        """Count the pixels of a part, (h, w, 3) in [0, 1]."""
        flat = part.reshape(-1, 3).astype(np.float64)
        self._pixels += len(flat)
        self._sum += flat.sum(axis=0)
        self._squares += np.einsum("ij,ij->j", flat, flat)

    def statistics(self) -> Statistics:
        """(2, 3) float32: mean and variance of each colour."""
        mean = self._sum / self._pixels
        return np.stack([mean, np.maximum(self._squares / self._pixels - mean**2, 0)]).astype(np.float32)


def frame_statistics(frame: RgbImage) -> Statistics:
    """Mean and variance of each colour of a frame (H, W, 3) uint8 RGB, on the scale [0, 1].

    Returns:
        (2, 3) float32.
    """
    counts = np.stack([np.bincount(frame[..., channel].ravel(), minlength=256) for channel in range(3)])
    values, pixels = np.arange(256) / 255, frame.shape[0] * frame.shape[1]
    mean = counts @ values / pixels
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / pixels
    return np.stack([mean, variance]).astype(np.float32)
