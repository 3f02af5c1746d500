"""Which of many thresholds a probability reaches: all binary maps of a sweep in one map of small integers."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fissura.errors import DataError
from fissura.imaging.images import Mask

Counts = NDArray[np.int64]
LevelMap = NDArray[np.uint8]

BUCKETS = 4096  # a power of two: multiplying by it rounds nothing
UNSURE = 255
ONE = np.float32(1).view(np.uint32)


class ThresholdScale:
    """Ascending thresholds; a pixel is predicted at a threshold where its probability is at least that.

    The level of a probability is the number of thresholds that it reaches, so that a pixel is predicted at threshold
    `i` where its level is above `i`. Levels come from a table over 4096 equal parts of [0, 1]; only in the parts that
    a threshold divides are probabilities compared with the thresholds, so that the result is exact.

    Args:
        thresholds: (n,) float32, ascending, 0 < threshold <= 1; n at most 254.
    """

    def __init__(self, thresholds: NDArray[np.float32]) -> None:
        assert 0 < len(thresholds) < UNSURE and thresholds[0] > 0
        self.thresholds = thresholds

    def __len__(self) -> int:
        return len(self.thresholds)

    @cached_property
    def _table(self) -> LevelMap:
        lower = np.arange(BUCKETS + 1) / BUCKETS
        upper = lower + 1 / BUCKETS
        reached = np.searchsorted(self.thresholds, lower, side="right")
        just_below_upper = np.searchsorted(self.thresholds, upper, side="left")
        return np.where(reached == just_below_upper, reached, UNSURE).astype(np.uint8)

    def levels(self, probability: NDArray[np.float32]) -> LevelMap:
        """Level of each pixel of an (H, W) float32 map in [0, 1]; (H, W) uint8."""
        pixels, found = self.reached(probability)
        level = np.zeros(probability.shape, np.uint8)
        level.reshape(-1)[pixels] = found
        return level

    def reached(self, probability: NDArray[np.float32]) -> tuple[NDArray[np.int64], LevelMap]:
        """The pixels that reach any threshold, as places in the flat map, and their levels: most of a map does not."""
        pixels = np.flatnonzero(probability >= self.thresholds[0])
        values = probability.reshape(-1)[pixels]
        found = self._table[(values * BUCKETS).astype(np.uint16)]
        unsure = np.flatnonzero(found == UNSURE)
        found[unsure] = np.searchsorted(self.thresholds, values[unsure], side="right")
        return pixels, found


def at_or_above(levels: LevelMap, thresholds: int) -> Counts:
    """(thresholds,) for each threshold, how many of the pixels are predicted at it."""
    histogram = np.bincount(levels, minlength=thresholds + 1)
    # A pixel of level k is predicted at thresholds 0 ... k-1: sum from the top, without level 0.
    return histogram[::-1].cumsum()[::-1][1:].astype(np.int64)


def checked(probability: NDArray[np.float32], mask: Mask) -> NDArray[np.float32]:
    """The probabilities, contiguous.

    Raises:
        DataError: the sizes differ, or a probability is not finite or not within 0 and 1.
    """
    if probability.shape != mask.shape:
        raise DataError(f"probabilities of shape {probability.shape}", expected=f"the mask's shape {mask.shape}")
    probability = np.ascontiguousarray(probability, np.float32)
    # As whole numbers, floats from 0 to 1 come first in order; negative ones and those that are not finite come later.
    if probability.size and probability.view(np.uint32).max() <= ONE:
        return probability
    if not np.isfinite(probability).all():
        raise DataError("the network gave probabilities that are not finite", fix="train again with a lower rate")
    if ((probability < 0) | (probability > 1)).any():
        raise DataError(
            f"probabilities from {probability.min():g} to {probability.max():g}",
            expected="0 to 1",
            fix="apply a sigmoid to logits before they are scored",
        )
    return np.abs(probability)  # there was a negative zero
