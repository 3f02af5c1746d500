"""ODS: one threshold for the whole data set, the one with the best F1; counts pooled over images.

With `disk` matching precision counts a predicted pixel as right when a crack pixel of the mask lies within
`tolerance_px`; recall counts a crack pixel as found when a predicted pixel lies within it. `one_to_one` matching and
thinning are options; see `fissura.metrics.matching`.

Reference: paper 001 (section IV-A: tolerance), paper 000 (section IV, Evaluation: ODS and OIS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.imaging.images import Mask
from fissura.metrics.counts import (
    THRESHOLDS,
    ImageCounts,
    best_threshold,
    count_image,
    count_one_to_one,
    count_thinned,
    harmonic_mean,
    ratio,
)
from fissura.metrics.matching import Match, Matching, match
from fissura.metrics.protocol import Curve, EvaluationProtocol, some
from fissura.metrics.thinned import thinned

__all__ = ["THRESHOLDS", "ImageCounts", "Ods", "OdsConfig", "OdsScores", "count_image", "pooled_at_own_best", "score"]


class OdsConfig(Config):
    """How pixels are matched."""

    tolerance_px: float = Field(2.0, ge=0, lt=100, description="radius within which a pixel counts, pixels")
    matching: Matching = Field("disk", description="disk: any pixel near; one_to_one: each pixel serves one")
    thinned: bool = Field(False, description="thin prediction and mask to lines of one pixel first")


@dataclass(frozen=True)
class OdsScores:
    """Scores of a data set.

    Attributes:
        f1, precision, recall, threshold: at the one threshold that is best for the whole set (ODS).
        ois_f1: F1 of the counts pooled at each image's own best threshold.
        iou: best pooled IoU over thresholds, zero tolerance.
        images: number of images.
    """

    f1: float
    precision: float
    recall: float
    threshold: float
    ois_f1: float
    iou: float
    images: int


class Ods(EvaluationProtocol):
    """One threshold for the whole data set.

    Example:
        >>> protocol = Ods(tolerance_px=0)
        >>> protocol.add(np.array([[0.9, 0.2]], np.float32), np.array([[True, False]]))
        >>> protocol.scores()["f1"]
        1.0
    """

    config = OdsConfig
    summary = "one threshold for all images, the best; counts pooled"
    at_threshold: ClassVar[tuple[str, ...]] = ("f1", "precision", "recall", "iou")

    def __init__(self, tolerance_px: float = 2.0, matching: Matching = "disk", thinned: bool = False) -> None:
        self.tolerance_px, self.matching, self.thinned = tolerance_px, matching, thinned
        self.images: list[ImageCounts] = []

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        if self.thinned:
            counts = count_thinned(probability, thinned(mask), self.tolerance_px, self.matching)
        elif self.matching == "one_to_one":
            counts = count_one_to_one(probability, mask, self.tolerance_px)
        else:
            counts = count_image(probability, mask, self.tolerance_px)
        self.images.append(counts)

    def result(self) -> OdsScores:
        """The scores by field; see `scores`."""
        some(len(self.images))
        return score(self.images)

    def scores(self) -> dict[str, float]:
        scores = asdict(self.result())
        del scores["images"]
        return scores

    def curve(self) -> Curve | None:
        pooled = sum(self.images[1:], self.images[0])
        return Curve(THRESHOLDS, pooled.precision, pooled.recall)

    def match(self, predicted: Mask, truth: Mask) -> Match:
        if self.thinned:
            predicted, truth = thinned(predicted), thinned(truth)
        return match(predicted, truth, self.tolerance_px, self.matching)


def score(images: Sequence[ImageCounts]) -> OdsScores:
    """Pool the counts of images into the scores of a data set."""
    pooled = sum(images[1:], images[0])
    best = best_threshold(pooled.f1)
    return OdsScores(
        f1=float(pooled.f1[best]),
        precision=float(pooled.precision[best]),
        recall=float(pooled.recall[best]),
        threshold=round(float(THRESHOLDS[best]), 2),  # 0.47, not the float32 neighbour 0.4699999988
        ois_f1=pooled_at_own_best(images)[0],
        iou=float(pooled.iou.max()),
        images=len(images),
    )


def pooled_at_own_best(images: Sequence[ImageCounts]) -> tuple[float, float, float]:
    """F1, precision and recall of the counts pooled at each image's own best threshold (OIS)."""
    own = [(counts, best_threshold(counts.f1)) for counts in images]
    columns = ("matched_predicted", "predicted", "matched_crack")
    right, predicted, found = (np.array([sum(getattr(c, name)[i] for c, i in own)]) for name in columns)
    precision, recall = ratio(right, predicted), ratio(found, np.array([sum(c.crack for c, _ in own)]))
    return float(harmonic_mean(precision, recall)[0]), float(precision[0]), float(recall[0])
