"""Thresholds of the cheap pass: the one at which it decides, and the low one below which nobody looks again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration.thresholds import Threshold, frames_of, record_of
from fissura.dataset import Dataset
from fissura.errors import DatasetError
from fissura.imaging.decode import MIN_LENGTH_PX
from fissura.imaging.images import RgbImage
from fissura.imaging.measure import long_components
from fissura.imaging.resample import FrameKernel, downsample_mask
from fissura.imaging.tiles import tile_grid
from fissura.metrics.ods import Ods
from fissura.progress import progress

Run = Callable[[RgbImage], NDArray[np.float32]]

TILE_PX = 64  # the runtime's default
TILE_RECALL = 0.99
LEAST = 0.01


def choose_proposal(
    cheap: Run,
    full: Run,
    full_threshold: float,
    scale: int,
    dataset: Dataset,
    tolerance_px: float,
    kernel: FrameKernel = "area",
) -> tuple[Threshold, float]:
    """Run both passes over a list of images.

    The decision threshold is the cheap pass's ODS against masks at the frame's resolution. The low threshold is the
    largest one that still proposes 99 % of the tiles of 64x64 camera pixels in which the full pass reports a crack.

    Args:
        cheap: a frame (H, W, 3) uint8 RGB in, (H, W) float32 out.
        full: (H*scale, W*scale) float32 out.
        full_threshold: of the full pass.
        scale: frames are made of the images by this factor.
        dataset: images and masks.
        tolerance_px: at the images' resolution; see `fissura.metrics.ods`.
        kernel: how frames are made of images.

    Raises:
        DatasetError: the full pass finds no crack anywhere, or the cheap one none whatever the threshold.
        ImageError: an image or a mask cannot be read.
    """
    scores, suspicions = Ods(tolerance_px / scale), list[float]()
    frames = frames_of(dataset, scale, kernel)
    for frame, truth in progress(frames, "proposal: choosing the thresholds", len(dataset.samples)):
        low = cheap(frame)
        scores.add(low, downsample_mask(truth, scale))
        cracks = long_components(full(frame) >= np.float32(full_threshold), MIN_LENGTH_PX * scale)
        for tile in tile_grid(*low.shape, core=TILE_PX, halo=0).tiles:
            rows, columns = slice(tile.top, tile.top + tile.height), slice(tile.left, tile.left + tile.width)
            if cracks[_enlarged(rows, scale), _enlarged(columns, scale)].any():
                suspicions.append(float(low[rows, columns].max()))
    best = scores.result()
    if best.f1 == 0 or not suspicions:
        raise DatasetError(
            f"no crack is found in {best.images} images of {dataset.name} at low resolution",
            expected="images with cracks, and trained networks",
            fix="calibrate on another list, or train the proposal network on frames of this scale",
        )
    low_threshold = float(np.quantile(suspicions, 1 - TILE_RECALL, method="lower"))
    decision = Threshold(best.threshold, record_of(best, dataset, tolerance_px / scale))
    return decision, float(np.clip(low_threshold, LEAST, best.threshold))


def _enlarged(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)
