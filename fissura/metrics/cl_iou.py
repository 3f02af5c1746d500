"""Centreline IoU (clIoU): intersection over union of skeletons within a tolerance, pixels of all images pooled.

A skeleton pixel of the mask is a hit where a skeleton pixel of the prediction lies within the tolerance, else a miss; a
skeleton pixel of the prediction with none of the mask's within it is a false alarm. The score is hits over hits, misses
and false alarms.

Reference: Benz and Rodehorst, "OmniCrack30k: a benchmark for crack segmentation and the reasonable effectiveness of
transfer learning", CVPR workshops 2024, and its evaluation code, which thins the mask to a centre line beforehand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.imaging.images import Mask
from fissura.metrics.levels import checked
from fissura.metrics.matching import Match, match
from fissura.metrics.protocol import EvaluationProtocol, ThresholdConfig, some
from fissura.metrics.thinned import thinned


class ClIouConfig(ThresholdConfig):
    """Threshold and tolerance of OmniCrack30k."""

    tolerance_px: float = Field(4.0, ge=0, lt=100, description="radius within which centre lines count, pixels")


class ClIou(EvaluationProtocol):
    """Pooled centreline IoU; 0 where there is neither prediction nor crack in any image."""

    config = ClIouConfig
    summary = "IoU of centre lines within a tolerance, at one threshold, pixels pooled (OmniCrack30k)"
    headline = "cl_iou"
    at_threshold = ("cl_iou",)

    def __init__(self, threshold: float = 0.5, tolerance_px: float = 4.0) -> None:
        self.threshold, self.tolerance_px = threshold, tolerance_px
        self._images: list[tuple[int, int, int]] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        judged = self.match(checked(probability, mask) >= np.float32(self.threshold), mask)
        hits, crack = int(judged.found.sum()), int(judged.truth.sum())
        self._images.append((hits, crack - hits, int((judged.predicted & ~judged.right).sum())))

    def scores(self) -> dict[str, float]:
        some(len(self._images))
        hits, misses, false_alarms = np.sum(self._images, axis=0)
        return {"cl_iou": float(hits / max(1, hits + misses + false_alarms)), "threshold": self.threshold}

    def match(self, predicted: Mask, truth: Mask) -> Match:
        return match(thinned(predicted), thinned(truth), self.tolerance_px)
