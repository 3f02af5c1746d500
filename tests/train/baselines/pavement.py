"""A pavement with one dark, winding crack of 3 pixels on grey noise."""

from __future__ import annotations

import cv2
import numpy as np

from fissura.imaging.images import Mask, RgbImage


def pavement(generator: np.random.Generator, height: int = 96, width: int = 128) -> tuple[RgbImage, Mask]:
    columns = np.arange(width)
    phase, turns = generator.uniform(0, 6), generator.uniform(1, 2)
    rows = height * (0.5 + 0.25 * np.sin(phase + turns * 2 * np.pi * columns / width))
    line = np.column_stack([columns, rows]).astype(np.int32)
    mask = np.zeros((height, width), np.uint8)
    cv2.polylines(mask, [line], False, 1, thickness=3)
    brightness = generator.normal(150, 8, (height, width))
    brightness[mask > 0] -= 60
    grey = np.clip(cv2.GaussianBlur(brightness, (0, 0), 0.7), 0, 255).astype(np.uint8)
    return np.dstack([grey, grey, grey]), mask > 0
