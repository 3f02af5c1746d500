"""Pictures of what a model found, missed and imagined."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fissura.imaging.images import RgbImage, write_rgb
from fissura.metrics.matching import Match

FOUND, IMAGINED, MISSED = (0, 200, 0), (230, 0, 0), (255, 200, 0)


def write_overlay(path: Path, frame: RgbImage, match: Match) -> None:
    """Draw predicted pixels over the frame: green where right, red where wrong; missed crack pixels in yellow.

    Args:
        path: an image file.
        frame: (h, w, 3) uint8 RGB; enlarged to the maps' size.
        match: of the predicted map and the truth, (H, W).

    Raises:
        ImageError: the file cannot be written.
    """
    height, width = match.truth.shape
    picture = np.array(frame)
    if picture.shape[:2] != match.truth.shape:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)
    picture[match.right] = FOUND
    picture[match.predicted & ~match.right] = IMAGINED
    picture[match.truth & ~match.found] = MISSED
    write_rgb(path, picture)
