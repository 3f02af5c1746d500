"""Paper 000: ODS and OIS of a boundary benchmark, on outlines of cracks.

The prediction is thinned at each of 99 thresholds and matched one to one with the labels within 0.0075 of the image's
diagonal (4.3 px on CFD). Counts are pooled. ODS may lie between two thresholds: precision and recall are interpolated
linearly there. OIS pools each image's counts at its own best threshold; among equals the highest, since an image
without cracks ties at 0 everywhere.

The labels are not thinned. On CFD's `boundaries/` thinning would leave 81 % of the pixels, and as each predicted pixel
finds at most one, recall cannot pass 0.81 there. Paper 000's Table I, recall 0.58 to 0.80 at precision 0.96 to 0.98,
fits that.

Reference: paper 000, section IV (Evaluation), which names ODS and OIS only. That this is its protocol is inferred: the
crack share that it states for CFD is that of `boundaries/`, and its baseline, CrackForest, comes from the toolbox that
defines the protocol (Dollár and Zitnick, "Fast edge detection using structured forests", TPAMI 37(8), 2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.counts import THRESHOLDS, ImageCounts, count_thinned, harmonic_mean
from fissura.metrics.matching import Match, match
from fissura.metrics.ods import pooled_at_own_best
from fissura.metrics.protocol import Curve, EvaluationProtocol, some
from fissura.metrics.thinned import thinned

TOLERANCE_OF_DIAGONAL = 0.0075
STEPS = 100  # points between two thresholds, both included


class Boundaries(EvaluationProtocol):
    """Boundary ODS and OIS: thinned predictions, one-to-one matching, interpolation between thresholds."""

    summary = "outlines: thinned, matched one to one within 0.0075 of the diagonal, pooled, interpolated (paper 000)"
    labels = "boundaries"
    thresholds: NDArray[np.float32] = THRESHOLDS

    def __init__(self) -> None:
        self._images: list[ImageCounts] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        self._images.append(count_thinned(probability, mask, tolerance_of(mask), "one_to_one"))

    def scores(self) -> dict[str, float]:
        some(len(self._images))
        curve = self.curve()
        threshold, precision, recall = (_between(part) for part in (curve.threshold, curve.precision, curve.recall))
        f1 = harmonic_mean(precision, recall)
        best = len(f1) - 1 - int(np.argmax(f1[::-1]))
        ois_f1, ois_precision, ois_recall = pooled_at_own_best(self._images)
        return {
            "f1": float(f1[best]),
            "precision": float(precision[best]),
            "recall": float(recall[best]),
            "threshold": float(threshold[best]),
            "ois_f1": ois_f1,
            "ois_precision": ois_precision,
            "ois_recall": ois_recall,
        }

    def curve(self) -> Curve:
        pooled = sum(self._images[1:], self._images[0])
        return Curve(self.thresholds, pooled.precision, pooled.recall)

    def match(self, predicted: Mask, truth: Mask) -> Match:
        return match(thinned(predicted), truth, tolerance_of(truth), "one_to_one")


def tolerance_of(mask: Mask) -> float:
    """0.0075 of the diagonal of an (H, W) map, pixels."""
    return float(TOLERANCE_OF_DIAGONAL * np.hypot(*mask.shape))


def _between(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values at 100 places between each two neighbours, in order."""
    share = np.linspace(0, 1, STEPS)
    return ((1 - share) * values[:-1, None] + share * values[1:, None]).reshape(-1)
