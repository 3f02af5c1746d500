"""Free-form anisotropy (FFA): a crack is dark along one way through the pixel and not along the others."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.imaging.images import RgbImage
from train.baselines.baseline import Baseline, Scores, grey

Steps = tuple[tuple[int, int], ...]
DIRECTIONS: dict[str, Steps] = {
    "horizontal": ((-1, 1), (0, 1), (1, 1)),
    "falling": ((0, 1), (1, 1), (1, 0)),
    "vertical": ((1, -1), (1, 0), (1, 1)),
    "rising": ((1, 0), (1, -1), (0, -1)),
}
"""The three steps (rows, columns) that a path may take in each global direction; backwards it takes their opposites."""
BLACK = np.float32(1 / 255)


class AnisotropyConfig(Config):
    """Options of `Anisotropy`. Short paths suit winding cracks; longer ones reach a crack from the background too."""

    sigma_px: float = Field(default=1.0, ge=0, le=20, description="Gaussian before the search")
    reach_px: int = Field(default=7, ge=1, le=100, description="steps of a path to each side of its pixel")
    anisotropy: float = Field(default=0.09, gt=0, lt=1, description="free-form anisotropy of score 0.5")


class Anisotropy(Baseline):
    """Free-form anisotropy a of each pixel, as ``a / (a + anisotropy)``.

    In each of four global directions the cheapest path through the pixel is searched, a path that may bend by 45
    degrees at every step; its cost is its mean brightness. Then ``a = (max - min) / max`` over the four costs.

    All pixels are searched at once by dynamic programming, one step of all paths at a time, which gives the same costs
    as a minimal-path search with these steps from every pixel (`skimage.graph.MCP`) at a cost that does not grow with
    the number of searches. At the border paths go on along the last pixels.

    Simplified: both sides have the same number of steps in every direction, so diagonal paths are longer in pixels;
    small regions are not removed afterwards.

    Reference:
        Nguyen, Begot, Duculty, Avila, "Free-form anisotropy: a new method for crack detection on pavement surface
        images", ICIP 2011; a baseline of paper 001 (table IV), which states no parameters.
    """

    config = AnisotropyConfig

    def __init__(self, options: AnisotropyConfig | None = None) -> None:
        self.options = options or AnisotropyConfig()

    def score(self, frame: RgbImage) -> Scores:
        brightness = np.maximum(grey(frame, self.options.sigma_px), BLACK)
        costs = np.stack([path_cost(brightness, steps, self.options.reach_px) for steps in DIRECTIONS.values()])
        largest = costs.max(axis=0)
        anisotropy = (largest - costs.min(axis=0)) / largest
        return (anisotropy / (anisotropy + self.options.anisotropy)).astype(np.float32)


def path_cost(brightness: NDArray[np.float32], steps: Steps, reach_px: int) -> NDArray[np.float32]:
    """Mean brightness of the darkest path through each pixel along a global direction, to both sides.

    Args:
        brightness: (H, W).
        steps: that the path may take, as (rows, columns) of at most 1; to the other side it takes their opposites.
        reach_px: steps to each side.

    Returns:
        (H, W) mean over the ``2 * reach_px + 1`` pixels.
    """
    backwards = tuple((-rows, -columns) for rows, columns in steps)
    total = brightness + _one_side(brightness, steps, reach_px) + _one_side(brightness, backwards, reach_px)
    return total / np.float32(2 * reach_px + 1)


def _one_side(brightness: NDArray[np.float32], steps: Steps, reach_px: int) -> NDArray[np.float32]:
    """(H, W) sum along the darkest path that leaves each pixel, without that pixel."""
    height, width = brightness.shape
    total = np.zeros_like(brightness)
    for _ in range(reach_px):
        ahead = cv2.copyMakeBorder(brightness + total, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        views = [ahead[1 + row : 1 + row + height, 1 + column : 1 + column + width] for row, column in steps]
        total = np.minimum.reduce(views)
    return total
