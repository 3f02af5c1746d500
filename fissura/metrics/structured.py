"""Paper 001: precision, recall and F1 of each image at one threshold, averaged over images.

Reference: paper 001, section IV-A: a decision threshold, two pixels of tolerance. Its Table II is a mean over images:
the harmonic mean of its precision and recall is not its F1. The paper does not say whether one pixel may serve many;
`disk`, the usual reading, lets it.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.imaging.images import Mask
from fissura.metrics.counts import SCALE, THRESHOLDS, count_levels
from fissura.metrics.levels import checked
from fissura.metrics.matching import Match, Matching, match
from fissura.metrics.protocol import Curve, EvaluationProtocol, ThresholdConfig, some


class StructuredConfig(ThresholdConfig):
    """Threshold and tolerance of paper 001."""

    tolerance_px: float = Field(2.0, ge=0, lt=100, description="radius within which a pixel counts, pixels")
    matching: Matching = Field("disk", description="disk: any pixel near; one_to_one: each pixel serves one")


class Structured(EvaluationProtocol):
    """Per-image precision, recall and F1 at one threshold, averaged; each is 0 where it is not defined."""

    config: ClassVar[type[Config]] = StructuredConfig
    summary = "per-image precision, recall and F1 at one threshold, averaged over images (paper 001)"
    at_threshold = ("f1", "precision", "recall")

    def __init__(self, threshold: float = 0.5, tolerance_px: float = 2.0, matching: Matching = "disk") -> None:
        self.threshold, self.tolerance_px, self.matching = threshold, tolerance_px, matching
        self._rows: list[tuple[float, float, float]] = []
        self._curves: list[NDArray[np.float64]] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        probability = checked(probability, mask)
        judged = self.match(probability >= np.float32(self.threshold), mask)
        precision, recall = judged.precision, judged.recall
        total = precision + recall
        self._rows.append((2 * precision * recall / total if total else 0.0, precision, recall))
        if self.matching == "disk":
            counts = count_levels(SCALE.levels(probability), mask, self.tolerance_px, len(SCALE))
            self._curves.append(np.stack([counts.precision, counts.recall]))

    def scores(self) -> dict[str, float]:
        some(len(self._rows))
        f1, precision, recall = (float(mean) for mean in np.mean(self._rows, axis=0))
        return {"f1": f1, "precision": precision, "recall": recall, "threshold": self.threshold}

    def curve(self) -> Curve | None:
        if not self._curves:
            return None
        precision, recall = np.mean(self._curves, axis=0)
        return Curve(THRESHOLDS, precision, recall)

    def match(self, predicted: Mask, truth: Mask) -> Match:
        return match(predicted, truth, self.tolerance_px, self.matching)
