"""How the values of a tensor are spread, gathered image by image in little memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 4096  # even
MOST_VALUES = 200_000  # of one tensor of one image; the extremes are taken from all of them


class Histogram:
    """Counts of values in equal bins over [-reach, reach].

    When a value lies outside, the reach doubles and neighbouring bins are joined, so that nothing has to be known
    beforehand and no count is spread over bins that it does not belong to.

    Attributes:
        counts: (BINS,).
        reach: a power of two.
        low, high: smallest and largest value of all.
        zeros: how many of the counted values are exactly 0; they are in the bin from 0 on.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.reach = 2.0**-20
        self.low = np.inf
        self.high = -np.inf
        self.zeros = 0

    def add(self, values: NDArray[np.float32]) -> None:
        """Count the values of one more tensor of any shape; not-a-number is left out."""
        flat = values.ravel()
        low, high = float(np.nanmin(flat)), float(np.nanmax(flat))
        self.low, self.high = min(self.low, low), max(self.high, high)
        while max(-low, high) > self.reach:
            self._double()
        step = -(-flat.size // MOST_VALUES)
        sample = flat[::step]
        counts, _ = np.histogram(sample, BINS, (-self.reach, self.reach))
        self.counts += counts
        self.zeros += int(np.count_nonzero(sample == 0))

    @property
    def centres(self) -> NDArray[np.float64]:
        """(BINS,) the middle of each bin."""
        width = 2 * self.reach / BINS
        return np.asarray(-self.reach + width * (np.arange(BINS) + 0.5), np.float64)

    def _double(self) -> None:
        pairs = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts = np.zeros(BINS, np.int64)
        self.counts[BINS // 4 : BINS - BINS // 4] = pairs
        self.reach *= 2
