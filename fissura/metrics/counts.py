"""Pixel counts of one image at many thresholds: by histogram where that is possible, else by a sweep.

Unthinned maps are nested: what is predicted at a threshold is predicted at every lower one. A pixel's level
(`ThresholdScale`) then says all about it, the dilation of the binary maps of all thresholds is the grey-scale dilation
of the levels, and the cost does not grow with the number of thresholds. Thinned maps are not nested: each is made and
matched on its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.levels import Counts, LevelMap, ThresholdScale, at_or_above, checked
from fissura.metrics.matching import Matching, Neighbours, disk_kernel, grown
from fissura.metrics.thinned import thinned

THRESHOLDS: NDArray[np.float32] = np.linspace(0.01, 0.99, 99, dtype=np.float32)
SCALE = ThresholdScale(THRESHOLDS)


@dataclass(frozen=True)
class ImageCounts:
    """Pixel counts of one or more images; (n,) int64, one entry a threshold, besides `crack`.

    Attributes:
        predicted: predicted pixels.
        matched_predicted: predicted pixels that are right, within the tolerance.
        matched_crack: crack pixels that are found, within the tolerance.
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
        """(n,) share of predicted pixels that are right; 0 where nothing is predicted."""
        return ratio(self.matched_predicted, self.predicted)

    @property
    def recall(self) -> NDArray[np.float64]:
        """(n,) share of crack pixels that are found; 0 where there are none."""
        return ratio(self.matched_crack, np.full_like(self.predicted, self.crack))

    @property
    def f1(self) -> NDArray[np.float64]:
        """(n,) harmonic mean of precision and recall; 0 where both are."""
        return harmonic_mean(self.precision, self.recall)

    @property
    def union(self) -> Counts:
        """(n,) pixels predicted or crack."""
        return self.predicted + self.crack - self.hit

    @property
    def iou(self) -> NDArray[np.float64]:
        """(n,) intersection over union without tolerance; 0 where the union is empty."""
        return ratio(self.hit, self.union)


def count_image(
    probability: NDArray[np.float32], mask: Mask, tolerance_px: float, scale: ThresholdScale = SCALE
) -> ImageCounts:
    """Counts of one image at all thresholds, `disk` matching, no thinning: one pass, whatever their number.

    Args:
        probability: (H, W) float32 in [0, 1]; a pixel is predicted where it is at least the threshold.
        mask: (H, W) bool.
        tolerance_px: radius of the Euclidean disk, in pixels, 0 or more.
        scale: the thresholds; 0.01, 0.02, ..., 0.99 by default.

    Raises:
        DataError: the sizes differ, or a probability is not finite or not within 0 and 1.
    """
    probability = checked(probability, mask)
    pixels, reached = scale.reached(probability)
    level = np.zeros(probability.shape, np.uint8)
    level.reshape(-1)[pixels] = reached
    return _count(level, pixels, reached, mask, tolerance_px, len(scale))


def count_levels(level: LevelMap, mask: Mask, tolerance_px: float, thresholds: int) -> ImageCounts:
    """`count_image` of a map of levels (see `ThresholdScale`): (H, W) uint8."""
    pixels = np.flatnonzero(level > 0)  # of booleans: several times faster
    return _count(level, pixels, level.reshape(-1)[pixels], mask, tolerance_px, thresholds)


def _count(
    level: LevelMap, pixels: NDArray[np.int64], reached: LevelMap, mask: Mask, tolerance_px: float, thresholds: int
) -> ImageCounts:
    """Counts of a map whose `pixels` alone are above 0, `reached`."""
    hit = at_or_above(level[mask], thresholds)
    matched_predicted = matched_crack = hit
    if tolerance_px >= 1:
        near_crack = grown(mask, tolerance_px)
        disk = disk_kernel(tolerance_px)
        near_level = cv2.dilate(level, disk, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        matched_predicted = at_or_above(reached[near_crack.reshape(-1)[pixels]], thresholds)
        matched_crack = at_or_above(near_level[mask], thresholds)
    predicted = at_or_above(reached, thresholds)
    return ImageCounts(predicted, matched_predicted, matched_crack, hit, int(np.count_nonzero(mask)))


def count_one_to_one(
    probability: NDArray[np.float32], mask: Mask, tolerance_px: float, scale: ThresholdScale = SCALE
) -> ImageCounts:
    """Counts of one image at all thresholds, `one_to_one` matching, no thinning; see `count_image`."""
    level = scale.levels(checked(probability, mask))
    counts = count_levels(level, mask, 0, len(scale))
    matched = Neighbours(mask, tolerance_px).counts(level, len(scale))
    return ImageCounts(counts.predicted, matched, matched, counts.hit, counts.crack)


def count_thinned(
    probability: NDArray[np.float32],
    mask: Mask,
    tolerance_px: float,
    matching: Matching,
    scale: ThresholdScale = SCALE,
) -> ImageCounts:
    """Counts of one image with its binary map thinned at every threshold; see `count_image`.

    The mask is taken as it is: thin it first where the protocol thins both.
    """
    level = scale.levels(checked(probability, mask))
    present = np.bincount(level.reshape(-1), minlength=len(scale) + 1)
    neighbours = Neighbours(mask, tolerance_px) if matching == "one_to_one" else None
    near_crack = grown(mask, tolerance_px)
    rows: list[tuple[int, int, int, int]] = []
    for index in range(len(scale)):
        if rows and not present[index]:  # no pixel lies between this threshold and the one before
            rows.append(rows[-1])
            continue
        lines = thinned(level > index)
        if neighbours is None:
            right = int(np.count_nonzero(lines & near_crack))
            found = int(np.count_nonzero(mask & grown(lines, tolerance_px)))
        else:
            right = found = neighbours.count(lines)
        rows.append((int(lines.sum()), right, found, int((lines & mask).sum())))
    predicted, matched_predicted, matched_crack, hit = np.array(rows, np.int64).T
    return ImageCounts(predicted, matched_predicted, matched_crack, hit, int(np.count_nonzero(mask)))


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Element by element; 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)


def harmonic_mean(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1, element by element; 0 where both are 0."""
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)


def best_threshold(scores: NDArray[np.float64]) -> int:
    """Index of the best score; among equals the highest threshold.

    An image without cracks ties at 0 everywhere: a low threshold would then pool all its false alarms into OIS.
    """
    return len(scores) - 1 - int(np.argmax(scores[::-1]))
