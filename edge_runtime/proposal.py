"""Which tiles are worth a second look, by the cheap pass over the low-resolution frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.decode import MIN_LENGTH_PX
from fissura.imaging.images import Mask
from fissura.imaging.tiles import TileGrid

Map = NDArray[np.float32]

# Candidates count from half the length of the shortest crack that is reported: shorter ones are grains of the road.
SHORTEST_PX = MIN_LENGTH_PX / 2


def rescaled(probability: Map, threshold: float, to: float) -> Map:
    """Bring a map's decision threshold to another value, so that two networks' maps can stand in one.

    Piecewise linear and increasing; 0 and 1 stay.

    Args:
        probability: (H, W) float32 in [0, 1].
        threshold: of the map, in (0, 1).
        to: what the threshold becomes, in (0, 1).

    Example:
        >>> rescaled(np.array([[0.0, 0.2, 0.6, 1.0]], np.float32), 0.2, 0.5)
        array([[0.  , 0.5 , 0.75, 1.  ]], dtype=float32)
    """
    if threshold == to:
        return probability
    below = probability * np.float32(to / threshold)
    above = 1 - (1 - probability) * np.float32((1 - to) / (1 - threshold))
    return np.where(probability < threshold, below, above)


def expected_gains(probability: Map, threshold: float, proposal_threshold: float, grid: TileGrid) -> Map:
    """What a second look at each tile is expected to bring: suspicion squared x length, over its candidate pixels.

    How likely there is a crack times how much of one there is. Uncertainty alone, which is largest where the cheap pass
    cannot tell, sends the second look to grainy ground: measured on clips of real pavement (`benchmarks/cascade`), the
    same number of tiles then holds up to an eighth less of what the full pass finds.

    At low resolution a crack is a pixel or two wide, so that the number of its pixels stands for its length. Candidates
    that hang together over less than 5 pixels are left out.

    Args:
        probability: (H, W) of the cheap pass, one value a camera pixel; the grid may reach beyond it.
        threshold: of the cheap pass: a suspicion of one half.
        proposal_threshold: pixels at or above it are candidates.
        grid: the tiles.

    Returns:
        (rows, columns) float32; 0 where there is no candidate.
    """
    gain = rescaled(probability, threshold, 0.5) ** 2
    gain[~_long_enough(probability >= proposal_threshold)] = 0
    rows, columns, core = grid.rows, grid.columns, grid.core
    whole = np.zeros((rows * core, columns * core), np.float32)
    whole[: gain.shape[0], : gain.shape[1]] = gain
    sums: Map = whole.reshape(rows, core, columns, core).sum(axis=(1, 3))
    return sums


def _long_enough(candidates: Mask) -> Mask:
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(candidates.view(np.uint8), connectivity=8)
    extents = np.maximum(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    extents[0] = 0  # all that is no candidate
    kept: Mask = (extents >= SHORTEST_PX)[labels]
    return kept


def by_gain(gains: Map) -> NDArray[np.intp]:
    """Numbers of the tiles with a gain, row by row from 0, the largest gain first."""
    flat = gains.ravel()
    order = np.argsort(-flat, kind="stable")
    return order[: np.count_nonzero(flat)]
