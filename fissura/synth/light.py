"""How the light falls: uneven illumination and the shadows of poles and trees."""

from __future__ import annotations

import math

import numpy as np

from fissura.synth.config import SynthConfig
from fissura.synth.noise import Field, field, step_up


def illumination(rng: np.random.Generator, config: SynthConfig) -> Field:
    """Light with a gradient across the frame: (H, W) float32 around 1."""
    height, width = config.height, config.width
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle, slope = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.15)
    plane = slope * (x * math.cos(angle) + y * math.sin(angle))
    vignette = rng.uniform(0, 0.08) * (x * x + y * y)
    return (1 + plane - vignette).astype(np.float32)


def shadow(rng: np.random.Generator, config: SynthConfig) -> Field:
    """Shadows of one kind, a pole's or foliage: (H, W, 3) float32 factor; the sky's light in them is bluish."""
    depth = rng.uniform(*config.shadow_depth)
    dark = _pole(rng, config) if rng.random() < 0.4 else _foliage(rng, config)
    colour = np.array([1.03, 1.0, 0.94], np.float32) * np.float32(depth)
    return 1 - dark[..., None] * np.minimum(colour, 0.95)


def _pole(rng: np.random.Generator, config: SynthConfig) -> Field:
    """A straight band, or with a wide one the edge of a building's shadow."""
    height, width, gsd = config.height, config.width, config.gsd_mm_per_px
    angle = rng.uniform(0, math.pi)
    y, x = np.ogrid[:height, :width]
    through_x, through_y = rng.uniform(0.1, 0.9, 2) * (width, height)
    away = np.abs((x - through_x) * math.cos(angle) + (y - through_y) * math.sin(angle)).astype(np.float32)
    half_px, soft_px = rng.uniform(25, 150) / gsd, rng.uniform(3, 14) / gsd
    return step_up(half_px - away, -soft_px, soft_px)


def _foliage(rng: np.random.Generator, config: SynthConfig) -> Field:
    """Patches of leaves' shade with sun between them."""
    height, width, gsd = config.height, config.width, config.gsd_mm_per_px
    crown = field(rng, height, width, rng.uniform(60, 140) / gsd)
    leaves = field(rng, height, width, rng.uniform(8, 22) / gsd)
    twigs = field(rng, height, width, rng.uniform(2.5, 6) / gsd)
    softness = rng.uniform(0.5, 1.4)
    return step_up(crown + 0.7 * leaves + 0.3 * twigs, -softness, softness)
