"""Defocus: a lens that is out of focus images a point as a disk."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.imaging.degradation.degradation import Degradation, Draw
from fissura.imaging.degradation.point_spread import blurred, spread_kernel
from fissura.imaging.images import RgbImage

POINTS_PER_SQUARE_PX = 16
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


class DefocusConfig(Config):
    """How far out of focus."""

    radius_px: float = Field(1.0, ge=0, le=64, description="of the disk, pixels of the frame")


def defocus(image: RgbImage, config: DefocusConfig, draw: Draw) -> RgbImage:
    """Spread each point evenly over a disk, in linear light; the disk's edge is as soft as the pixels are."""
    return blurred(image, spread_kernel(config.radius_px * _unit_disk(config.radius_px)))


def _unit_disk(radius_px: float) -> NDArray[np.float64]:
    """(n, 2) points that fill the unit disk evenly: a sunflower, with its three quarter turns so that it is centred."""
    count = 64 + math.ceil(POINTS_PER_SQUARE_PX * math.pi / 4 * radius_px**2)
    order = np.arange(count)
    radius, angle = np.sqrt((order + 0.5) / count), GOLDEN_ANGLE * order
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.concatenate([np.column_stack(turned) for turned in ((x, y), (-y, x), (-x, -y), (y, -x))])


DEFOCUS = Degradation(
    apply=defocus,
    config=DefocusConfig,
    summary="a lens out of focus, in linear light",
    severity="radius_px",
    unit="px",
    levels=tuple(DefocusConfig(radius_px=radius) for radius in (0.5, 1, 2, 3, 5)),
)
