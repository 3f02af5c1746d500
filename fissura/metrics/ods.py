"""ODS, OIS and IoU over 99 thresholds, by histogram: one pass over the pixels whatever the number of thresholds.

Precision counts a predicted pixel as right when a crack pixel of the mask lies within `tolerance_px` (Euclidean
disk); recall counts a crack pixel as found when a predicted pixel lies within it. No thinning, no one-to-one
matching. The dilation of the prediction at every threshold at once is a grey-scale dilation of the probabilities.

Reference: paper 001 (tolerance and matching), paper 000 (pooled counts over thresholds, OIS pooled at each image's
best threshold).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.errors import DataError

THRESHOLDS: NDArray[np.float32] = np.linspace(0.01, 0.99, 99, dtype=np.float32)
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ImageCounts:
    """Pixel counts of one or more images; (99,) int64, one entry a threshold, besides `crack`.

    Attributes:
        predicted: predicted pixels.
        matched_predicted: predicted pixels within the tolerance of a crack pixel.
        matched_crack: crack pixels within the tolerance of a predicted pixel.
        hit: pixels both predicted and crack (no tolerance).
        crack: crack pixels.
    """

    predicted: Counts
    matched_predicted: Counts
    matched_crack: Counts
    hit: Counts
    crack: int

    def __add__(self, other: ImageCounts) -> ImageCounts:
        return ImageCounts(
            self.predicted + other.predicted,
            self.matched_predicted + other.matched_predicted,
            self.matched_crack + other.matched_crack,
            self.hit + other.hit,
            self.crack + other.crack,
        )

    @property
    def precision(self) -> NDArray[np.float64]:
        """(99,) share of predicted pixels that are right; 0 where nothing is predicted."""
        return _ratio(self.matched_predicted, self.predicted)

    @property
    def recall(self) -> NDArray[np.float64]:
        """(99,) share of crack pixels that are found; 0 where there are none."""
        return _ratio(self.matched_crack, np.full_like(self.predicted, self.crack))

    @property
    def f1(self) -> NDArray[np.float64]:
        """(99,) harmonic mean of precision and recall; 0 where both are."""
        return _f1(self.precision, self.recall)

    @property
    def iou(self) -> NDArray[np.float64]:
        """(99,) intersection over union without tolerance; 0 where the union is empty."""
        return _ratio(self.hit, self.predicted + self.crack - self.hit)


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


@dataclass
class OdsAccumulator:
    """Collects images and gives their scores.

    Example:
        >>> scores = OdsAccumulator(tolerance_px=0)
        >>> scores.add(np.array([[0.9, 0.2]], np.float32), np.array([[True, False]]))
        >>> scores.result().f1
        1.0
    """

    tolerance_px: float
    images: list[ImageCounts] = field(default_factory=list)

    def add(self, probability: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Count one image; see `count_image`."""
        self.images.append(count_image(probability, mask, self.tolerance_px))

    def result(self) -> OdsScores:
        """Scores of the images so far.

        Raises:
            DataError: there are none.
        """
        if not self.images:
            raise DataError("no image was scored", expected="at least one image and its mask")
        return score(self.images)


def count_image(probability: NDArray[np.float32], mask: NDArray[np.bool_], tolerance_px: float) -> ImageCounts:
    """Counts of one image at all thresholds; a pixel is predicted where its probability is at least the threshold.

    Args:
        probability: (H, W) float32 in [0, 1].
        mask: (H, W) bool.
        tolerance_px: radius of the Euclidean disk, in pixels, 0 or more.

    Raises:
        DataError: the sizes differ, or a probability is not finite.
    """
    if probability.shape != mask.shape:
        raise DataError(f"probabilities of shape {probability.shape}", expected=f"the mask's shape {mask.shape}")
    if not np.isfinite(probability).all():
        raise DataError("the network gave probabilities that are not finite", fix="train again with a lower rate")
    probability = np.ascontiguousarray(probability, np.float32)
    near_crack, near_probability = mask, probability
    if tolerance_px > 0:
        disk = disk_kernel(tolerance_px)
        near_crack = cv2.dilate(mask.astype(np.uint8), disk, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
        near_probability = cv2.dilate(probability, disk, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    level = _level(probability)
    return ImageCounts(
        predicted=_at_or_above(level),
        matched_predicted=_at_or_above(level[near_crack]),
        matched_crack=_at_or_above(_level(near_probability[mask])),
        hit=_at_or_above(level[mask]),
        crack=int(mask.sum()),
    )


def score(images: list[ImageCounts]) -> OdsScores:
    """Pool the counts of images into the scores of a data set."""
    pooled = sum(images[1:], images[0])
    best = _best(pooled.f1)
    own = [(counts, _best(counts.f1)) for counts in images]
    ois_precision = _ratio(
        np.array([sum(c.matched_predicted[i] for c, i in own)]), np.array([sum(c.predicted[i] for c, i in own)])
    )
    ois_recall = _ratio(np.array([sum(c.matched_crack[i] for c, i in own)]), np.array([pooled.crack]))
    return OdsScores(
        f1=float(pooled.f1[best]),
        precision=float(pooled.precision[best]),
        recall=float(pooled.recall[best]),
        threshold=round(float(THRESHOLDS[best]), 2),  # 0.47, not the float32 neighbour 0.4699999988
        ois_f1=float(_f1(ois_precision, ois_recall)[0]),
        iou=float(pooled.iou.max()),
        images=len(images),
    )


def disk_kernel(radius_px: float) -> NDArray[np.uint8]:
    """Structuring element of all offsets with dx^2 + dy^2 <= radius^2."""
    reach = int(radius_px)
    offsets = np.arange(-reach, reach + 1)
    inside = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius_px**2
    return inside.astype(np.uint8)


def _level(probability: NDArray[np.float32]) -> NDArray[np.intp]:
    """How many thresholds a probability reaches: 0 (none) to 99 (all)."""
    return np.searchsorted(THRESHOLDS, probability, side="right")


def _at_or_above(level: NDArray[np.intp]) -> Counts:
    histogram = np.bincount(level.ravel(), minlength=len(THRESHOLDS) + 1)
    # A pixel of level k is predicted at thresholds 0 ... k-1: sum from the top, without level 0.
    return histogram[::-1].cumsum()[::-1][1:].astype(np.int64)


def _best(f1: NDArray[np.float64]) -> int:
    """Index of the best F1; among equals the highest threshold.

    An image without cracks ties at 0 everywhere: a low threshold would then pool all its false alarms into OIS.
    """
    return len(f1) - 1 - int(np.argmax(f1[::-1]))


def _ratio(part: Counts, whole: Counts) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _f1(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
