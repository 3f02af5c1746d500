"""Paper 003: IoU, F1, precision and recall of the pixels of all images together, at one threshold.

Reference: paper 003, Tables I to III: its F1 is 2 IoU / (1 + IoU), as only pooled pixels give. Its figures are means
of ten trainings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.counts import THRESHOLDS, ImageCounts, count_image
from fissura.metrics.levels import ThresholdScale
from fissura.metrics.protocol import Curve, EvaluationProtocol, ThresholdConfig, some


class Pooled(EvaluationProtocol):
    """IoU and F1 of pooled pixels, no tolerance."""

    config = ThresholdConfig
    summary = "pixels of all images pooled, at one threshold, no tolerance (paper 003)"
    headline = "iou"
    at_threshold = ("iou", "f1", "precision", "recall")

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self._scale = ThresholdScale(np.array([threshold], np.float32))
        self._images: list[ImageCounts] = []
        self._curve: list[ImageCounts] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        self._images.append(count_image(probability, mask, 0, self._scale))
        self._curve.append(count_image(probability, mask, 0))

    def scores(self) -> dict[str, float]:
        some(len(self._images))
        counts = sum(self._images[1:], self._images[0])
        figures = {name: float(getattr(counts, name)[0]) for name in ("iou", "f1", "precision", "recall")}
        return {**figures, "threshold": self.threshold}

    def curve(self) -> Curve:
        counts = sum(self._curve[1:], self._curve[0])
        return Curve(THRESHOLDS, counts.precision, counts.recall)
