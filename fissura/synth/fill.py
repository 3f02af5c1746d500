"""How a crack looks: a dark gap, or one filled with sand, with crumbled edges."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fissura.synth.config import SynthConfig
from fissura.synth.noise import Field, field

SAND = (0.66, 0.56, 0.42)


def paint_crack(rng: np.random.Generator, surface: Field, coverage: Field, config: SynthConfig) -> Field:
    """Lay a crack and its branches into a surface.

    Args:
        rng: source of chance.
        surface: (H, W, 3) reflectance.
        coverage: (H, W) share of each pixel that the crack covers.
        config: contrast, and the share of cracks that are filled.

    Returns:
        (H, W, 3) reflectance.
    """
    height, width = coverage.shape
    contrast = rng.uniform(*config.contrast)
    uneven = np.float32(1) + 0.15 * field(rng, height, width, 2.0) + 0.12 * field(rng, height, width, 30.0)
    if rng.random() < config.sand_filled:
        level = (1.15 + 0.6 * contrast) * surface.mean() / np.mean(SAND)
        sand = np.array(SAND, np.float32) * np.float32(level)
        filled = sand * (1 + 0.08 * field(rng, height, width, 0.6))[..., None]
        blend = np.clip(coverage * uneven, 0, 1)[..., None]
        return surface + blend * (np.clip(filled, 0, 1) - surface)
    gap = surface * (1 - np.clip(np.float32(contrast) * uneven, 0, 0.97))[..., None]
    gap *= np.array([1.0, 0.97, 0.95], np.float32)
    rimmed = surface * _edges(rng, coverage, contrast)[..., None]
    return rimmed + coverage[..., None] * (gap - rimmed)


def _edges(rng: np.random.Generator, coverage: Field, contrast: float) -> Field:
    """Around a gap: a little shade, and light on the edge that faces the sun."""
    near = cv2.GaussianBlur(coverage, (0, 0), 1.6, borderType=cv2.BORDER_REFLECT)
    angle = rng.uniform(0, 2 * math.pi)
    shift = np.float32([[1, 0, 1.3 * math.cos(angle)], [0, 1, 1.3 * math.sin(angle)]])
    size = (coverage.shape[1], coverage.shape[0])
    lit = cv2.warpAffine(near, shift, size, borderMode=cv2.BORDER_REPLICATE)
    return 1 + np.float32(0.3 * contrast) * np.clip(lit - near, -0.3, 1) - np.float32(0.2 * contrast) * near
