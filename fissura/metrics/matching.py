"""Which predicted pixels are right and which crack pixels are found, of one binary map.

Two rules, both within a Euclidean radius. `disk`: a pixel counts where any pixel of the other map lies near, so that
one pixel may serve many. `one_to_one`: each pixel serves at most one of the other map, and as many as possible are
served; among such assignments the one with the least total distance is taken.

Reference for `one_to_one`: the correspondence of the Berkeley boundary benchmark (Martin, Fowlkes, Malik, TPAMI
26(5), 2004), which paper 000's ODS and OIS go back to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from fissura.imaging.images import Mask
from fissura.metrics.levels import Counts, LevelMap, at_or_above

Matching = Literal["disk", "one_to_one"]
Indices = NDArray[np.int64]
Pixel = TypeVar("Pixel", np.bool_, np.uint8)


@dataclass(frozen=True)
class Match:
    """A predicted map against the truth; four (H, W) bool.

    Attributes:
        predicted, truth: the two maps, thinned where the protocol thins.
        right: the predicted pixels that are right.
        found: the crack pixels of the truth that are found.
    """

    predicted: Mask
    truth: Mask
    right: Mask
    found: Mask

    @property
    def precision(self) -> float:
        """Share of predicted pixels that are right; 0 where nothing is predicted."""
        return float(self.right.sum() / max(1, self.predicted.sum()))

    @property
    def recall(self) -> float:
        """Share of crack pixels that are found; 0 where there are none."""
        return float(self.found.sum() / max(1, self.truth.sum()))


def match(predicted: Mask, truth: Mask, tolerance_px: float, matching: Matching = "disk") -> Match:
    """Judge a binary map.

    Args:
        predicted, truth: (H, W) bool.
        tolerance_px: radius within which pixels count, 0 or more.
        matching: see the module.
    """
    if matching == "disk":
        return Match(predicted, truth, predicted & grown(truth, tolerance_px), truth & grown(predicted, tolerance_px))
    right, found = Neighbours(truth, tolerance_px).pairs(predicted)
    return Match(predicted, truth, right, found)


def grown(mask: Mask, radius_px: float) -> Mask:
    """(H, W) bool: the pixels within a radius of any pixel of the mask."""
    if radius_px < 1:
        return mask
    disk = disk_kernel(radius_px)
    return cv2.dilate(mask.view(np.uint8), disk, borderType=cv2.BORDER_CONSTANT, borderValue=0).view(np.bool_)


def disk_kernel(radius_px: float) -> NDArray[np.uint8]:
    """Structuring element of all offsets with dx^2 + dy^2 <= radius^2."""
    reach = int(radius_px)
    offsets = np.arange(-reach, reach + 1)
    inside = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius_px**2
    return inside.astype(np.uint8)


class Neighbours:
    """The places within a radius of each crack pixel, for one-to-one matching against many predictions.

    Args:
        truth: (H, W) bool.
        tolerance_px: radius.
    """

    def __init__(self, truth: Mask, tolerance_px: float) -> None:
        self._shape, self._reach = truth.shape, int(tolerance_px)
        rows, columns = np.nonzero(disk_kernel(tolerance_px))
        rows, columns = rows - self._reach, columns - self._reach
        stride = truth.shape[1] + 2 * self._reach
        self._crack: Indices = np.flatnonzero(self._framed(truth))
        self._distance = np.hypot(rows, columns)
        self._places: Indices = self._crack[:, None] + (rows * stride + columns)[None, :]  # (crack pixels, offsets)

    def count(self, predicted: Mask) -> int:
        """Size of the largest one-to-one assignment of predicted pixels, (H, W) bool, to crack pixels."""
        edges = self._edges(predicted)
        return int(np.count_nonzero(self._assign(edges, np.ones(len(edges.crack)), unserved=2.0) >= 0))

    def counts(self, levels: LevelMap, thresholds: int) -> Counts:
        """(thresholds,) the same at each threshold of a map of levels (`ThresholdScale`), by one assignment.

        The sets of predicted pixels that can be served at once are the independent sets of a (transversal) matroid.
        The assignment whose served pixels have the greatest sum of levels is therefore, cut off at any threshold, as
        large as any assignment at that threshold alone.
        """
        edges = self._edges(levels > 0)
        level = self._framed(levels).reshape(-1)[edges.pixels]
        served = self._assign(edges, thresholds + 1.0 - level[edges.pixel], unserved=thresholds + 1.0)
        return at_or_above(level[served[served >= 0]], thresholds)

    def pairs(self, predicted: Mask) -> tuple[Mask, Mask]:
        """The predicted and the crack pixels of the largest assignment with the least total distance; (H, W) bool."""
        edges = self._edges(predicted)
        # One more pixel served outweighs any total distance. A cost of 0 would mean no edge.
        unserved = 1 + len(self._crack) * (1 + float(self._distance.max()))
        served = self._assign(edges, 1.0 + self._distance[edges.offset], unserved=unserved)
        return self._image(edges.pixels[served[served >= 0]]), self._image(self._crack[served >= 0])

    def _edges(self, predicted: Mask) -> _Edges:
        crack, offset = np.nonzero(self._framed(predicted).reshape(-1)[self._places])
        pixels, pixel = np.unique(self._places[crack, offset], return_inverse=True)
        return _Edges(crack, offset, pixel, pixels)

    def _assign(self, edges: _Edges, cost: NDArray[np.floating], *, unserved: float) -> Indices:
        """(crack pixels,) position in `edges.pixels` of the pixel that serves each, -1 for none; least total cost.

        scipy's own `maximum_bipartite_matching` would do for `count`, but takes minutes on some maps.
        """
        size, pixels = len(self._crack), len(edges.pixels)
        if not len(edges.crack):
            return np.full(size, -1)
        everyone = np.arange(size)  # each crack pixel may stay unserved: then it takes a column of its own
        rows, columns = np.concatenate([edges.crack, everyone]), np.concatenate([edges.pixel, pixels + everyone])
        costs = np.concatenate([cost, np.full(size, unserved)])
        graph = coo_array((costs, (rows, columns)), shape=(size, pixels + size)).tocsr()
        served = min_weight_full_bipartite_matching(graph)[1].astype(np.int64)
        return np.where(served < pixels, served, -1)

    def _framed(self, image: NDArray[Pixel]) -> NDArray[Pixel]:
        return np.pad(image, self._reach)

    def _image(self, places: Indices) -> Mask:
        image = self._framed(np.zeros(self._shape, np.bool_))
        image.reshape(-1)[places] = True
        return image[self._reach : self._reach + self._shape[0], self._reach : self._reach + self._shape[1]]


@dataclass(frozen=True)
class _Edges:
    """Predicted pixels within the radius of crack pixels; the first three (edges,), `pixels` their places."""

    crack: Indices
    offset: Indices
    pixel: Indices
    pixels: Indices
