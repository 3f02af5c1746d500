"""CrackFormer's ODS and OIS: as DeepSegmentor, but OIS is the mean of each image's best F1.

Maps are rounded to 8 bits, not cut off. An image without cracks, for which the code divides by zero, scores 0.

Reference: Liu et al., "CrackFormer: transformer network for fine-grained crack detection", ICCV 2021, and the
validation code of CrackFormer-II.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.metrics.deepsegmentor import DeepSegmentor, f1_of
from fissura.metrics.levels import LevelMap


class CrackFormer(DeepSegmentor):
    """Pooled ODS; OIS as a mean of per-image maxima."""

    summary = "8-bit maps above thresholds 0 to 0.99, no tolerance; OIS: mean of per-image best F1 (CrackFormer)"

    def scores(self) -> dict[str, float]:
        scores = super().scores()
        return {**scores, "ois_f1": float(np.mean([f1_of(counts).max() for counts in self._images]))}

    def _bytes(self, probability: NDArray[np.float32]) -> LevelMap:
        return np.rint(probability * 255).astype(np.uint8)
