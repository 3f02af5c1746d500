"""Pictures of what a model found, missed and imagined."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask, RgbImage, write_rgb
from fissura.metrics.ods import disk_kernel

FOUND, IMAGINED, MISSED = (0, 200, 0), (230, 0, 0), (255, 200, 0)


def write_overlay(path: Path, frame: RgbImage, predicted: Mask, truth: Mask, tolerance_px: float) -> None:
    """Draw predicted pixels over the frame: green where right, red where wrong; missed crack pixels in yellow.

    Args:
        path: an image file.
        frame: (h, w, 3) uint8 RGB; enlarged to the masks' size.
        predicted: (H, W) bool.
        truth: (H, W) bool.
        tolerance_px: radius within which a pixel counts as right.

    Raises:
        ImageError: the file cannot be written.
    """
    height, width = truth.shape
    picture = np.array(frame)
    if picture.shape[:2] != truth.shape:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)
    right = predicted & _grown(truth, tolerance_px)
    picture[right] = FOUND
    picture[predicted & ~right] = IMAGINED
    picture[truth & ~_grown(predicted, tolerance_px)] = MISSED
    write_rgb(path, picture)


def _grown(mask: Mask, radius_px: float) -> NDArray[np.bool_]:
    grown = cv2.dilate(mask.astype(np.uint8), disk_kernel(radius_px), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return grown > 0
