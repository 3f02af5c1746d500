"""Paper 002: average precision, and precision, recall and F1 at 0.5, of each image, averaged over images.

Reference: paper 002, section 4.1. Pixel by pixel, no tolerance. Average precision is the sum over distinct
probabilities, from the highest, of the gain in recall times the precision reached.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.levels import checked
from fissura.metrics.protocol import ThresholdConfig
from fissura.metrics.structured import Structured


class Spiral(Structured):
    """Per-image average precision, precision, recall and F1; each is 0 where it is not defined."""

    config = ThresholdConfig
    summary = "per-image average precision, and precision, recall and F1 at one threshold; no tolerance (paper 002)"
    headline = "average_precision"

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__(threshold, tolerance_px=0)
        self._average_precision: list[float] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        super().add(probability, mask)
        self._average_precision.append(average_precision(probability, mask))

    def scores(self) -> dict[str, float]:
        scores = super().scores()
        return {"average_precision": float(np.mean(self._average_precision)), **scores}


def average_precision(probability: NDArray[np.float32], mask: Mask) -> float:
    """Step-wise area under precision against recall of one image; 0 without cracks.

    Args:
        probability: (H, W) float32 in [0, 1].
        mask: (H, W) bool.
    """
    probability = checked(probability, mask)
    order = np.argsort(-probability, axis=None, kind="stable")
    descending, right = probability.reshape(-1)[order], mask.reshape(-1)[order].cumsum()
    last = np.append(np.flatnonzero(np.diff(descending)), len(descending) - 1)  # equal probabilities are one step
    crack = right[-1]
    if not crack:
        return 0.0
    gain = np.diff(right[last], prepend=0) / crack
    return float((gain * right[last] / (last + 1)).sum())
