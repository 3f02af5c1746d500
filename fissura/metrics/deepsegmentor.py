"""DeepSegmentor's ODS: 8-bit maps, a hundred thresholds, pixels of all images pooled, no tolerance.

A probability is stored as a whole number of 255ths, cut off below, and predicted where it is above the threshold, not
at it; thresholds run from 0 to 0.99. Where nothing is predicted, precision is 1.

Reference: Liu et al., "DeepCrack: a deep hierarchical feature learning architecture for crack segmentation",
Neurocomputing 338, 2019, and the evaluation code of its repository DeepSegmentor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.counts import ImageCounts, best_threshold, count_levels, harmonic_mean
from fissura.metrics.levels import LevelMap, checked
from fissura.metrics.protocol import Curve, EvaluationProtocol, some

THRESHOLDS: NDArray[np.float64] = np.arange(0, 1, 0.01)
_LEVEL_OF_BYTE = (np.arange(256)[:, None] / 255 > THRESHOLDS[None, :]).sum(axis=1).astype(np.uint8)


class DeepSegmentor(EvaluationProtocol):
    """Best F1 of pooled pixels over a hundred thresholds."""

    summary = "8-bit maps above thresholds 0 to 0.99, pixels pooled, no tolerance (DeepSegmentor)"

    def __init__(self) -> None:
        self._images: list[ImageCounts] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        level = _LEVEL_OF_BYTE[self._bytes(checked(probability, mask))]
        self._images.append(count_levels(level, mask, 0, len(THRESHOLDS)))

    def scores(self) -> dict[str, float]:
        some(len(self._images))
        pooled = sum(self._images[1:], self._images[0])
        precision, f1 = precision_of(pooled), f1_of(pooled)
        best = best_threshold(f1)
        return {
            "f1": float(f1[best]),
            "precision": float(precision[best]),
            "recall": float(pooled.recall[best]),
            "threshold": round(float(THRESHOLDS[best]), 2),
        }

    def curve(self) -> Curve:
        pooled = sum(self._images[1:], self._images[0])
        return Curve(THRESHOLDS, precision_of(pooled), pooled.recall)

    def _bytes(self, probability: NDArray[np.float32]) -> LevelMap:
        return (probability * 255).astype(np.uint8)


def precision_of(counts: ImageCounts) -> NDArray[np.float64]:
    """(100,) precision; 1 where nothing is predicted."""
    return np.where(counts.predicted == 0, 1.0, counts.precision)


def f1_of(counts: ImageCounts) -> NDArray[np.float64]:
    """(100,) F1 with that precision; 0 where nothing is right."""
    return harmonic_mean(precision_of(counts), counts.recall)
