"""From sRGB values to the light that they stand for and back: blur and noise happen before the camera's tone curve.

Reference: IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import RgbImage

Light = NDArray[np.float32]

STEPS = 65535  # near black, where the curve is steepest, sRGB's 256 values still lie 20 of these steps apart


def to_linear(image: RgbImage) -> Light:
    """(H, W, 3) uint8 sRGB as linear light, float32: 0 is black, 1 is white."""
    return _decoded()[image]


def to_srgb(light: Light) -> RgbImage:
    """(H, W, 3) linear light as uint8 sRGB, to the nearest; what lies beyond 0 and 1 is clipped, as a sensor does."""
    return _encoded()[np.rint(np.clip(light, 0, 1) * STEPS).astype(np.uint16)]


@cache
def _decoded() -> Light:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _encoded() -> NDArray[np.uint8]:
    light = np.arange(STEPS + 1) / STEPS
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(value * 255).astype(np.uint8)
