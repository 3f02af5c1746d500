"""FPHBN's ODS and OIS: boundary protocol with non-maximum suppression and thinned labels.

Differs from `fissura.metrics.boundaries` in three ways: ridges of the probability map are suppressed beside their
crests before it is thresholded; the labels, filled masks, are thinned; the thresholds are 99 equal steps from 0.0001 to
0.9999.

Reference: Yang et al., "Feature pyramid and hierarchical boosting network for pavement crack detection", T-ITS 21(4),
2020, and its evaluation code; the suppression is that of Dollár and Zitnick, TPAMI 37(8), 2015.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from fissura.errors import DataError
from fissura.imaging.images import Mask
from fissura.metrics.boundaries import Boundaries, tolerance_of
from fissura.metrics.counts import count_thinned
from fissura.metrics.levels import ThresholdScale, checked
from fissura.metrics.matching import Match, match
from fissura.metrics.thinned import thinned

SCALE = ThresholdScale(np.linspace(0.0001, 0.9999, 99, dtype=np.float32))
SMOOTHING_PX = 4  # radius of the triangle filter before the orientation is taken
REACH_PX = 2  # how far along the normal a pixel is compared
MARGIN = 1.01  # what a pixel may fall short of its neighbours, as a factor
FADE_PX = 5  # the rim of the map fades to 0 over so many pixels


class Fphbn(Boundaries):
    """Boundary ODS and OIS on masks, after non-maximum suppression."""

    summary = "crests of the map against thinned masks: as `boundaries`, thresholds 0.0001 to 0.9999 (FPHBN)"
    labels = "masks"
    thresholds = SCALE.thresholds

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        crests = suppress_beside_crests(checked(probability, mask))
        self._images.append(count_thinned(crests, thinned(mask), tolerance_of(mask), "one_to_one", SCALE))

    def match(self, predicted: Mask, truth: Mask) -> Match:
        return match(thinned(predicted), thinned(truth), tolerance_of(truth), "one_to_one")


def suppress_beside_crests(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set to 0 what is lower than a neighbour along the normal of the ridge it lies on; fade the rim of the map.

    The normal's angle is read from second derivatives of the smoothed map.

    Args:
        probability: (H, W) float32 in [0, 1].

    Returns:
        (H, W) float32.

    Raises:
        DataError: the map is a single row or column, which has no second derivatives.
    """
    if min(probability.shape) < 2:
        raise DataError(f"a map of {probability.shape[1]}x{probability.shape[0]} pixels", expected="2x2 or more")
    ramp = np.arange(1, SMOOTHING_PX + 2, dtype=np.float64)
    triangle = np.concatenate([ramp, ramp[-2::-1]]) / ramp[-1] ** 2
    smooth = cv2.sepFilter2D(probability, cv2.CV_64F, triangle, triangle, borderType=cv2.BORDER_REFLECT)
    along_y, along_x = np.gradient(smooth)
    xx = np.gradient(along_x, axis=1)
    xy, yy = np.gradient(along_x, axis=0), np.gradient(along_y, axis=0)
    angle = np.mod(np.arctan(yy * np.sign(-xy) / (xx + 1e-5)), np.pi)
    rows, columns = np.nonzero(probability)
    own = MARGIN * probability[rows, columns]
    normal = angle[rows, columns]
    highest = np.zeros(len(rows))
    for distance in (*range(-REACH_PX, 0), *range(1, REACH_PX + 1)):
        places = np.stack([rows + distance * np.sin(normal), columns + distance * np.cos(normal)])
        highest = np.maximum(highest, map_coordinates(probability, places, np.float64, order=1, mode="nearest"))
    crests = np.zeros_like(probability)
    kept = own >= highest
    crests[rows[kept], columns[kept]] = probability[rows[kept], columns[kept]]
    return crests * _rim(crests.shape[0])[:, None] * _rim(crests.shape[1])[None, :]


def _rim(size: int) -> NDArray[np.float32]:
    """(size,) 1 in the middle, down to 0 at both ends."""
    width = min(FADE_PX, size // 2)
    from_end = np.minimum(np.arange(size), np.arange(size)[::-1])
    return np.minimum(from_end / max(width, 1), 1).astype(np.float32)
