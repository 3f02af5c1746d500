"""Synthetic frames, for what must not hold anybody's photographs: golden frames travel with every bundle."""

from __future__ import annotations

from fissura.imaging.images import RgbImage
from fissura.synth import SynthConfig, render

SEED = 2004


def pavement(index: int, height: int, width: int) -> RgbImage:
    """Frame number `index` of this size: (height, width, 3) uint8 RGB with cracks, the same on every call."""
    return render(SynthConfig(width=width, height=height, crack_free=0), SEED, index).image
