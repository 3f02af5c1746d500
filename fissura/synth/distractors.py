"""What lies on a surface and is no crack: joints, lane paint, stains."""

from __future__ import annotations

import math

import numpy as np

from fissura.synth.config import SynthConfig
from fissura.synth.noise import Field, field, step_up


def add_stains(rng: np.random.Generator, surface: Field, config: SynthConfig) -> Field:
    """Oil drops and damp patches: darker, with a frayed outline."""
    height, width = surface.shape[:2]
    gsd = config.gsd_mm_per_px
    shade = np.ones((height, width), np.float32)
    frayed = 0.22 * field(rng, height, width, 10 / gsd) + 0.12 * field(rng, height, width, 2 / gsd)
    y, x = np.ogrid[:height, :width]
    for _ in range(1 + rng.poisson(2)):
        radius = rng.uniform(4, 60) / gsd
        stretch = rng.uniform(0.6, 1.0)
        away = np.hypot((x - rng.uniform(0, width)) / radius, (y - rng.uniform(0, height)) / (radius * stretch))
        inside = step_up(1 - away.astype(np.float32) + frayed, -0.1, 0.6)
        shade *= 1 - np.float32(rng.uniform(0.08, 0.35)) * inside
    return surface * shade[..., None]


def add_joint(rng: np.random.Generator, surface: Field, config: SynthConfig) -> Field:
    """A straight joint from edge to edge: sawn or formed, darker, or sealed with bitumen."""
    height, width = surface.shape[:2]
    gsd = config.gsd_mm_per_px
    away = _distance_to_line(rng, height, width)
    half_px = rng.uniform(1.0, 5.0) / gsd
    frayed = np.abs(away) + 0.25 * field(rng, height, width, 2 / gsd)
    inside = np.clip(np.float32(half_px) - frayed + 0.5, 0, 1)
    # A bevel catches the light along one side.
    rim = np.exp(-(((away - np.float32(half_px + 1.5 / gsd)) * np.float32(gsd / 1.5)) ** 2))
    shade = 1 - np.float32(rng.uniform(0.3, 0.7)) * inside + np.float32(rng.uniform(0, 0.12)) * rim
    return surface * shade[..., None]


def add_lane_paint(rng: np.random.Generator, surface: Field, config: SynthConfig) -> Field:
    """A painted stripe, or the edge of one, worn where stones stand out; white or yellow."""
    height, width = surface.shape[:2]
    gsd = config.gsd_mm_per_px
    half_px = rng.uniform(40, 80) / gsd
    away = np.abs(_distance_to_line(rng, height, width)) + np.float32(0.8) * field(rng, height, width, 3 / gsd)
    inside = np.clip(np.float32(half_px) - away + 0.5, 0, 1)
    grain = surface[..., 1] / max(float(surface[..., 1].mean()), 1e-3) - 1
    wear = rng.uniform(0.0, 0.9)
    worn = step_up(0.6 * field(rng, height, width, 9 / gsd) + 3 * grain, 1.8 - 2 * wear, 2.6 - 2 * wear)
    paint = inside * (1 - np.float32(0.9) * worn)
    colour = np.array((0.86, 0.86, 0.84) if rng.random() < 0.75 else (0.85, 0.68, 0.25), np.float32)
    # The paint is thin: the grain below shows in it.
    painted = colour * np.float32(rng.uniform(0.75, 1.0)) * (1 + 0.35 * grain[..., None])
    return surface + paint[..., None] * (painted - surface)


def _distance_to_line(rng: np.random.Generator, height: int, width: int) -> Field:
    """Signed distance in pixels of each pixel to a straight line, mostly along or across the road."""
    angle = rng.choice([0.0, math.pi / 2], p=[0.6, 0.4]) + rng.normal(0, 0.15)
    y, x = np.ogrid[:height, :width]
    through_x, through_y = rng.uniform(0.1, 0.9, 2) * (width, height)
    away = (x - through_x) * math.cos(angle) + (y - through_y) * math.sin(angle)
    return away.astype(np.float32)
