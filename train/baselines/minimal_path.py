"""Minimal path selection (MPS): dark paths between dark pixels, kept where they are darker than the usual path."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from skimage.graph import MCP_Geometric
from skimage.morphology import area_opening

from fissura.config import Config
from fissura.imaging.images import RgbImage
from train.baselines.baseline import Baseline, Scores, grey, smooth

# Each pair of neighbouring blocks once: right, and the three below.
NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))
AROUND = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)


class MinimalPathConfig(Config):
    """Options of `MinimalPath`."""

    sigma_px: float = Field(default=1.0, ge=0, le=20, description="Gaussian before the search")
    light_sigma_px: float = Field(default=30.0, ge=0, le=500, description="Gaussian that evens out the light; 0: none")
    block_px: int = Field(default=8, ge=2, le=200, description="side of the blocks that give one end point each")
    end_deviations: float = Field(
        default=0.0, ge=-5, le=5, description="an end point is darker than their mean less so many deviations"
    )
    min_length_px: int = Field(default=60, ge=0, description="pixels of the shortest crack that is kept")
    width_steps: int = Field(default=2, ge=0, le=50, description="pixels that a path may grow to each side")
    width_deviations: float = Field(
        default=1.0, ge=0, le=10, description="a path grows over pixels up to its mean plus so many deviations"
    )


@dataclass(frozen=True)
class Paths:
    """Minimal paths of an image.

    Attributes:
        pixels: of each path, (n, 2) row and column.
        mean: (paths,) brightness along each path.
        deviation: (paths,) its standard deviation.
    """

    pixels: list[NDArray[np.intp]]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


class MinimalPath(Baseline):
    """How much darker than the usual path of this image the best path over the pixel is.

    1. The darkest pixel of each block becomes an end point if it is dark enough among them.
    2. The cheapest path is searched between the end points of neighbouring blocks (Dijkstra, `skimage.graph`); its
       cost is its mean brightness.
    3. A path of cost c has the score ``1 - 0.5 ** z`` with ``z = (mean - c) / deviation`` over all paths of the image,
       and 0 for z below 0. The paper's selection, one deviation below the mean, is a score of 0.5.
    4. At every score level, connected paths of fewer than `min_length_px` pixels are dropped.
    5. Paths grow in width over neighbours that are about as dark.

    Simplified: light is evened out by a division (the paper's images are levelled beforehand); a search stays in the
    blocks around its end points; loops and spurs are not cut off, only short paths are.

    Reference:
        Amhaz, Chambon, Idier, Baltazart, "Automatic crack detection on two-dimensional pavement images: an algorithm
        based on minimal path selection", T-ITS 17(10), 2016; a baseline of paper 001 (table IV).
    """

    config = MinimalPathConfig

    def __init__(self, options: MinimalPathConfig | None = None) -> None:
        self.options = options or MinimalPathConfig()

    def score(self, frame: RgbImage) -> Scores:
        options = self.options
        brightness = grey(frame, options.sigma_px)
        if options.light_sigma_px:
            brightness = brightness / np.maximum(smooth(brightness, options.light_sigma_px), np.float32(1 / 255))
        paths = find_paths(brightness, options.block_px, options.end_deviations)
        score, limit = np.zeros((2, *brightness.shape), np.float32)
        spread = float(paths.mean.std()) if len(paths.mean) else 0.0
        if spread < 1e-6:  # no paths, or a plain surface
            return score
        values = 1 - 0.5 ** np.maximum((paths.mean.mean() - paths.mean) / spread, 0.0)
        for index in np.argsort(values, kind="stable"):  # the best path over a pixel is drawn last
            rows, columns = paths.pixels[index].T
            score[rows, columns] = values[index]
            limit[rows, columns] = paths.mean[index] + options.width_deviations * paths.deviation[index]
        return _grown(_long(score, options.min_length_px), limit, brightness, options.width_steps)


def find_paths(brightness: NDArray[np.float32], block_px: int, end_deviations: float) -> Paths:
    """Cheapest paths between the darkest pixels of neighbouring blocks.

    Args:
        brightness: (H, W), not negative.
        block_px: side of a block; blocks at the right and lower border may be smaller.
        end_deviations: see `MinimalPathConfig`.
    """
    height, width = brightness.shape
    bottom, right = -height % block_px, -width % block_px
    padded = np.pad(brightness, ((0, bottom), (0, right)), constant_values=np.inf)
    rows, columns = padded.shape[0] // block_px, padded.shape[1] // block_px
    blocks = padded.reshape(rows, block_px, columns, block_px).swapaxes(1, 2).reshape(rows, columns, -1)
    darkest, at = blocks.min(axis=-1), blocks.argmin(axis=-1)
    is_end = darkest <= darkest.mean() - end_deviations * darkest.std()
    row = at // block_px + block_px * np.arange(rows)[:, None]
    column = at % block_px + block_px * np.arange(columns)[None, :]
    pixels, mean, deviation = [], [], []
    for i, j in np.argwhere(is_end):
        near = [(i + di, j + dj) for di, dj in NEIGHBOURS if i + di < rows and 0 <= j + dj < columns]
        others = [(row[block], column[block]) for block in near if is_end[block]]
        if not others:
            continue
        top, left = max(0, (i - 1) * block_px), max(0, (j - 1) * block_px)
        window = brightness[top : (i + 2) * block_px, left : (j + 2) * block_px].astype(np.float64)
        search = MCP_Geometric(window)
        ends = [(y - top, x - left) for y, x in others]
        search.find_costs([(row[i, j] - top, column[i, j] - left)], ends)
        for end in ends:
            path = np.array(search.traceback(end))
            along = window[path[:, 0], path[:, 1]]
            pixels.append(path + np.array([top, left]))
            mean.append(along.mean())
            deviation.append(along.std())
    return Paths(pixels, np.array(mean), np.array(deviation))


def _long(score: Scores, min_length_px: int) -> Scores:
    """Lower each pixel to the highest level at which it belongs to a connected set of enough pixels."""
    # scikit-image's max-tree reads past the end of images one or two pixels wide: give it a frame.
    levels = np.pad(np.rint(score * 255).astype(np.uint8), 1)
    opened = area_opening(levels, min_length_px, connectivity=2)[1:-1, 1:-1]
    return np.minimum(score, opened.astype(np.float32) / 255)


def _grown(score: Scores, limit: Scores, brightness: NDArray[np.float32], steps: int) -> Scores:
    """Hand scores on to neighbours no brighter than the limit of the path that they come from."""
    height, width = score.shape
    for _ in range(steps):
        scores, limits = (cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0) for part in (score, limit))
        for row, column in AROUND:
            view = (slice(1 + row, 1 + row + height), slice(1 + column, 1 + column + width))
            taken = (scores[view] > score) & (brightness <= limits[view])
            score, limit = np.where(taken, scores[view], score), np.where(taken, limits[view], limit)
    return score
