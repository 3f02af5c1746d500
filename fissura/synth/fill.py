"""How a crack looks: a dark gap, or one filled with sand, with crumbled edges."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fissura.synth.config import SynthConfig
from fissura.synth.noise import Field, field, step_up

SAND = (1.09, 1.0, 0.82)
SPREAD_PX = 6  # how far a crack changes what is around it


def paint_crack(rng: np.random.Generator, surface: Field, coverage: Field, config: SynthConfig) -> None:
    """Lay a crack and its branches into a surface.

    Args:
        rng: source of chance.
        surface: (H, W, 3) reflectance, changed in place.
        coverage: (H, W) share of each pixel that the crack covers.
        config: contrast, and the share of cracks that are filled.
    """
    contrast = rng.uniform(*config.contrast)
    paint = _sand if rng.random() < config.sand_filled else _gap
    mean = np.array(cv2.mean(surface)[:3], np.float32)
    part = tuple(_extent(coverage.max(axis=axis)) for axis in (1, 0))
    surface[part] = paint(rng, surface[part], coverage[part], contrast, mean)


def _extent(covered: Field) -> slice:
    at = np.flatnonzero(covered)
    return slice(max(int(at[0]) - SPREAD_PX, 0), int(at[-1]) + 1 + SPREAD_PX) if len(at) else slice(0, 1)


def _gap(rng: np.random.Generator, surface: Field, coverage: Field, contrast: float, mean: Field) -> Field:
    height, width = coverage.shape
    near = cv2.GaussianBlur(coverage, (0, 0), 1.6, borderType=cv2.BORDER_REFLECT)
    # Grit lies in the gap, and in places it is choked; a wide one is darkest in its middle.
    uneven = 1 + 0.14 * field(rng, height, width, 0.8) + 0.12 * field(rng, height, width, 25.0)
    light = (1 - np.clip(np.float32(contrast) * uneven, 0.1, 0.94)) * (1 - 0.45 * near * near)
    earth = np.array([1.0, 0.96, 0.92], np.float32)
    # The surface's grain does not go on in the gap's depth.
    inside = (0.4 * surface + 0.6 * mean) * light[..., None] * earth
    rimmed = surface * _edges(rng, near, contrast)[..., None]
    return rimmed + coverage[..., None] * (inside - rimmed)


def _sand(rng: np.random.Generator, surface: Field, coverage: Field, contrast: float, mean: Field) -> Field:
    height, width = coverage.shape
    hue = np.array(SAND, np.float32) ** np.float32(rng.uniform(0.2, 1.0))
    level = min(float(mean.mean()) * (1.08 + 0.5 * contrast), 0.85)
    grains = 1 + 0.1 * field(rng, height, width, 0.5) + 0.07 * field(rng, height, width, 2.0)
    filled = (np.float32(level) * grains)[..., None] * hue
    # Washed out in places, where the gap shows.
    washed = step_up(field(rng, height, width, 12.0) + 0.5 * field(rng, height, width, 2.0), 0.9, 2.2)
    shade = surface * np.float32(0.6)
    content = filled + washed[..., None] * (shade - filled)
    spilt = cv2.GaussianBlur(coverage, (0, 0), 1.2, borderType=cv2.BORDER_REFLECT)
    loose = 0.35 * spilt * step_up(field(rng, height, width, 0.8), -0.3, 1.0)
    blend = np.maximum(coverage * np.float32(rng.uniform(0.75, 1.0)), loose)[..., None]
    return surface + blend * (content - surface)


def _edges(rng: np.random.Generator, near: Field, contrast: float) -> Field:
    """Around a gap: a little shade, and light on the edge that faces the sun."""
    angle = rng.uniform(0, 2 * math.pi)
    shift = np.array([[1, 0, 1.3 * math.cos(angle)], [0, 1, 1.3 * math.sin(angle)]], np.float32)
    size = (near.shape[1], near.shape[0])
    lit = cv2.warpAffine(near, shift, size, borderMode=cv2.BORDER_REPLICATE)
    return 1 + np.float32(0.3 * contrast) * np.clip(lit - near, -0.3, 1) - np.float32(0.15 * contrast) * near
