"""Differences between two outputs of the same frames: largest, mean, how they spread, how far the crack masks agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fissura.metrics.counts import SCALE, THRESHOLDS
from fissura.metrics.levels import Counts, at_or_above

# Upper bounds of the histogram's bins; the first holds what is equal up to rounding, the last everything else.
BOUNDS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Summary:
    """What `Differences` counted.

    Attributes:
        frames: that were compared.
        max_abs: largest difference.
        mean_abs: mean difference over all values.
        histogram: values with a difference up to each of `BOUNDS`, and above the one before.
        both: for each of `THRESHOLDS`, pixels that both outputs call crack.
        either: the same, that one of them at least does.
    """

    frames: int
    max_abs: float
    mean_abs: float
    histogram: tuple[int, ...]
    both: Counts
    either: Counts

    def mask_iou(self, threshold: float) -> float:
        """Pixels that both call crack by those that one at least does, 0 to 1; 1 where neither finds any.

        Args:
            threshold: is rounded to the next of `THRESHOLDS` (hundredths).
        """
        index = int(np.abs(THRESHOLDS - threshold).argmin())
        return float(self.both[index] / self.either[index]) if self.either[index] else 1.0


class Differences:
    """Adds frames up."""

    def __init__(self) -> None:
        self._frames, self._values, self._max, self._sum = 0, 0, 0.0, 0.0
        self._histogram: NDArray[np.int64] = np.zeros(len(BOUNDS), np.int64)
        self._both: Counts = np.zeros(len(THRESHOLDS), np.int64)
        self._either: Counts = np.zeros(len(THRESHOLDS), np.int64)

    def add(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
        """Count two outputs of one frame: (H, W) probabilities, or (H, W, 3) images, whose masks mean nothing."""
        difference = np.abs(other - one)
        self._frames += 1
        self._values += difference.size
        self._max = max(self._max, float(difference.max()))
        self._sum += float(difference.sum(dtype=np.float64))
        bins = np.searchsorted(BOUNDS, difference.ravel())
        self._histogram += np.bincount(bins.clip(max=len(BOUNDS) - 1), minlength=len(BOUNDS))
        if one.ndim == 2:
            # A pixel is crack in both where the smaller probability reaches the threshold.
            self._both += at_or_above(SCALE.levels(np.minimum(one, other)).ravel(), len(THRESHOLDS))
            self._either += at_or_above(SCALE.levels(np.maximum(one, other)).ravel(), len(THRESHOLDS))

    def add_all(self, others: Differences) -> None:
        """Count what was counted elsewhere."""
        self._frames += others._frames
        self._values += others._values
        self._max = max(self._max, others._max)
        self._sum += others._sum
        self._histogram += others._histogram
        self._both += others._both
        self._either += others._either

    def summary(self) -> Summary:
        """The figures of the frames so far, of which there must be one at least."""
        return Summary(
            frames=self._frames,
            max_abs=self._max,
            mean_abs=self._sum / self._values,
            histogram=tuple(int(count) for count in self._histogram),
            both=self._both,
            either=self._either,
        )
