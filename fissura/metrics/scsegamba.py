"""SCSegamba's scores: per-image means throughout, IoU of both classes, F1 at threshold 0.

Each map is stretched so that its maximum is 1 and rounded to 8 bits. ODS is the best over thresholds of the mean over
images of F1, OIS the mean of per-image maxima, mIoU the best over thresholds of the mean over images of the average of
crack and background IoU (0 for an image where both prediction and mask are empty). F1, precision and recall, of pooled
pixels, are those of the first threshold, 0: every pixel counts as predicted whose byte is not 0.

Reference: Liu et al., "SCSegamba: lightweight structure-aware vision Mamba for crack segmentation in structures",
CVPR 2025, and its evaluation code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.counts import ratio
from fissura.metrics.crackformer import CrackFormer
from fissura.metrics.deepsegmentor import f1_of, precision_of
from fissura.metrics.levels import LevelMap
from fissura.metrics.protocol import some


class ScSegamba(CrackFormer):
    """Per-image means: ODS, OIS and mIoU; pooled F1 at threshold 0."""

    summary = "stretched 8-bit maps; ODS, OIS and two-class mIoU are means over images, F1 at threshold 0 (SCSegamba)"
    headline = "miou"

    def __init__(self) -> None:
        super().__init__()
        self._two_class_iou: list[NDArray[np.float64]] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        super().add(probability, mask)
        counts = self._images[-1]
        background = mask.size - counts.union
        both = (counts.iou + ratio(background, mask.size - counts.hit)) / 2
        self._two_class_iou.append(np.where(counts.union == 0, 0.0, both))

    def scores(self) -> dict[str, float]:
        some(len(self._images))
        pooled = sum(self._images[1:], self._images[0])
        f1 = np.array([f1_of(counts) for counts in self._images])
        return {
            "miou": float(np.mean(self._two_class_iou, axis=0).max()),
            "ods_f1": float(f1.mean(axis=0).max()),
            "ois_f1": float(f1.max(axis=1).mean()),
            "f1": float(f1_of(pooled)[0]),
            "precision": float(precision_of(pooled)[0]),
            "recall": float(pooled.recall[0]),
        }

    def _bytes(self, probability: NDArray[np.float32]) -> LevelMap:
        highest = probability.max()
        return super()._bytes(probability / highest if highest > 0 else probability)
