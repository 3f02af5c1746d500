"""Synthetic frames, for what must not hold anybody's photographs: golden frames travel with every bundle."""

from __future__ import annotations

import numpy as np

from fissura.imaging.images import RgbImage
from fissura.synth import SynthConfig, render

SEED = 2004
SMALLEST = 32  # pixels: the generator's own limit


def pavement(index: int, height: int, width: int) -> RgbImage:
    """Frame number `index` of this size: (height, width, 3) uint8 RGB with cracks, the same on every call."""
    config = SynthConfig(height_px=max(height, SMALLEST), width_px=max(width, SMALLEST), crack_free_share=0)
    return np.ascontiguousarray(render(config, SEED, index).image[:height, :width])
