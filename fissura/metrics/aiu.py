"""AIU: IoU of each image at each of 99 thresholds, averaged over images and thresholds; three versions.

They differ in what becomes of small and empty unions, which matters for images without cracks: an empty prediction of
an empty mask scores 0 by the paper and 1 by its code.

Reference: paper 004, section 4 (Evaluation) and Fig. 5, which defines it after FPHBN (Yang et al., "Feature pyramid
and hierarchical boosting network for pavement crack detection", T-ITS 21(4), 2020).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.counts import THRESHOLDS, ImageCounts, best_threshold, count_image
from fissura.metrics.protocol import EvaluationProtocol, some

EPSILON = 1e-5


class Aiu(EvaluationProtocol):
    """As paper 004 states it: the epsilon stands in the denominator only."""

    summary = "IoU averaged over images and 99 thresholds, epsilon in the denominator (paper 004)"
    headline = "aiu"

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float64]] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        self.add_counts(count_image(probability, mask, 0))

    def add_counts(self, counts: ImageCounts) -> None:
        """Count one image whose pixels are counted already, without tolerance."""
        self._rows.append(self._iou(counts.hit.astype(np.float64), counts.union.astype(np.float64)))

    def scores(self) -> dict[str, float]:
        """`aiu`, and of the IoU averaged over images its maximum over thresholds with that threshold."""
        iou = self.iou_by_threshold()
        best = best_threshold(iou)
        return {
            "aiu": float(iou.mean()),
            "max_iou": float(iou[best]),
            "threshold": round(float(THRESHOLDS[best]), 2),
        }

    def iou_by_threshold(self) -> NDArray[np.float64]:
        """(99,) the IoU averaged over images, one entry a threshold (paper 004, figures 5 and 6).

        Raises:
            DataError: there are no images.
        """
        some(len(self._rows))
        return np.asarray(np.mean(self._rows, axis=0))

    def _iou(self, intersection: NDArray[np.float64], union: NDArray[np.float64]) -> NDArray[np.float64]:
        return intersection / (union + EPSILON)


class AiuCode(Aiu):
    """As the code of paper 004 computes it: the epsilon stands in numerator and denominator."""

    summary = "IoU averaged over images and 99 thresholds, epsilon in both terms (code of paper 004)"

    def _iou(self, intersection: NDArray[np.float64], union: NDArray[np.float64]) -> NDArray[np.float64]:
        return (intersection + EPSILON) / (union + EPSILON)


class FphbnAiu(Aiu):
    """As the code of FPHBN computes it: an empty union counts as one pixel."""

    summary = "IoU averaged over images and 99 thresholds, unions of at least one pixel (FPHBN)"

    def _iou(self, intersection: NDArray[np.float64], union: NDArray[np.float64]) -> NDArray[np.float64]:
        return intersection / np.maximum(union, 1)
