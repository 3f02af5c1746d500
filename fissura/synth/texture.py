"""Surfaces without anything on them: asphalt and concrete as reflectance, 0 to 1."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fissura.synth.config import SynthConfig
from fissura.synth.noise import Field, field, step_up

ASPHALT_STONES_MM = (5.0, 2.6)


def asphalt(rng: np.random.Generator, config: SynthConfig) -> Field:
    """Stones of two sizes in dark binder, fine grit, blotches: (H, W, 3) float32 reflectance."""
    height, width, gsd = config.height, config.width, config.gsd_mm_per_px
    strength = config.texture * math.exp(rng.uniform(math.log(0.5), math.log(2.2)))
    bare = rng.uniform(0.3, 1.0)  # how far the binder is worn off the stones
    size = rng.uniform(0.75, 1.35)
    grain = 0.11 * field(rng, height, width, 0.4 / gsd) + 0.045 * field(rng, height, width, 0.9 / gsd)
    tint = np.zeros((height, width), np.float32)
    for size_mm in ASPHALT_STONES_MM:
        stones, colour = _stones(rng, height, width, size * size_mm / gsd)
        grain += np.float32(0.17 * bare) * stones
        tint += colour
    grain += 0.05 * _relief(rng, height, width, 0.9 * size / gsd)
    blotches = 0.01 * field(rng, height, width, 9 / gsd) + 0.03 * field(rng, height, width, 70 / gsd)
    grey = rng.uniform(0.42, 0.58) * (1 + np.float32(strength) * grain + blotches)
    return _coloured(
        grey, tint * np.float32(0.02 * strength), warmth=rng.normal(0.015, 0.03), green=rng.normal(0, 0.01)
    )


def concrete(rng: np.random.Generator, config: SynthConfig) -> Field:
    """Fine grain, clouds, trowel marks and pores: (H, W, 3) float32 reflectance."""
    height, width, gsd = config.height, config.width, config.gsd_mm_per_px
    strength = config.texture * rng.uniform(0.5, 1.6)
    grain = 0.05 * field(rng, height, width, 0.4 / gsd) + 0.022 * field(rng, height, width, 1.0 / gsd)
    grain += 0.015 * _relief(rng, height, width, 1.0 / gsd)
    for scale_mm, weight in ((4, 0.012), (12, 0.018), (40, 0.03), (150, 0.05)):
        grain += np.float32(weight) * field(rng, height, width, scale_mm / gsd)
    if rng.random() < 0.4:
        grain += np.float32(rng.uniform(0.01, 0.035)) * _streaks(rng, height, width, 0.8 / gsd)
    if rng.random() < 0.4:  # rain has washed dirt down, or it has dried in patches
        grain -= np.float32(rng.uniform(0.05, 0.15)) * step_up(_clouds(rng, height, width, 50 / gsd), 0.1, 0.9)
    grey = rng.uniform(0.48, 0.7) * (1 + np.float32(strength) * grain)
    grey *= 1 - _pores(rng, height, width, gsd)
    tint = 0.01 * field(rng, height, width, 40 / gsd)
    return _coloured(grey, tint, warmth=rng.normal(0.02, 0.025), green=rng.normal(0, 0.006))


def _stones(rng: np.random.Generator, height: int, width: int, size_px: float) -> tuple[Field, Field]:
    """Brightness (mean about 0) and tint of stones, each of one value, with binder between them."""
    if size_px < 1.5:  # too small to be seen one by one
        return field(rng, height, width, size_px / 3), np.zeros((height, width), np.float32)
    count = max(1, round(1.1 * height * width / size_px**2))
    seeds = np.full((height, width), 255, np.uint8)
    seeds[rng.integers(height, size=count), rng.integers(width, size=count)] = 0
    distance, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    shades = rng.standard_normal((count + 1, 3)).astype(np.float32)
    # Most stones are like the binder; a few are bright.
    bright = 0.4 * shades[:, 0] + 2.2 * np.maximum(shades[:, 1] - 0.8, 0)
    radius = np.float32(size_px) * (0.33 + 0.1 * np.tanh(shades[:, 2]))
    stone = step_up(
        radius[label] + 0.25 * np.float32(size_px) * field(rng, height, width, size_px / 5) - distance, -0.7, 0.7
    )
    brightness = stone * (0.6 + bright[label]) - 0.45
    return brightness, stone * shades[label, 2]


def _relief(rng: np.random.Generator, height: int, width: int, sigma_px: float) -> Field:
    """Light and shade on bumps lit from one side, of about unit variance."""
    bumps = field(rng, height, width, max(sigma_px, 0.6))
    angle = rng.uniform(0, 2 * math.pi)
    kernel = np.array([[-1, 0, 1]], np.float32)
    along_x = cv2.filter2D(bumps, -1, kernel, borderType=cv2.BORDER_REFLECT)
    along_y = cv2.filter2D(bumps, -1, kernel.T, borderType=cv2.BORDER_REFLECT)
    gain = max(sigma_px, 0.6) / 1.4
    return np.float32(gain * math.cos(angle)) * along_x + np.float32(gain * math.sin(angle)) * along_y


def _clouds(rng: np.random.Generator, height: int, width: int, sigma_px: float) -> Field:
    """Patches whose outline is frayed down to a pixel."""
    return sum(
        (0.5**n * field(rng, height, width, sigma_px / 3**n) for n in range(1, 4)), field(rng, height, width, sigma_px)
    )


def _streaks(rng: np.random.Generator, height: int, width: int, sigma_px: float) -> Field:
    """Marks of a broom or trowel along one direction."""
    side = math.ceil(math.hypot(height, width))
    long = cv2.resize(
        field(rng, side, max(2, side // 24), max(sigma_px, 0.5)), (side, side), interpolation=cv2.INTER_CUBIC
    )
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 12) + 90 * rng.integers(2), 1.0)
    turn[:, 2] += (width - side) / 2, (height - side) / 2
    return cv2.warpAffine(long, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _pores(rng: np.random.Generator, height: int, width: int, gsd: float) -> Field:
    """Darkening by air holes: few large, many small, (H, W) in [0, 1]."""
    dark = np.zeros((height, width), np.uint8)
    area_m2 = height * width * (gsd / 1000) ** 2
    for _ in range(rng.poisson(min(rng.exponential(500) * area_m2, 300))):
        radius = min(0.35 * rng.pareto(2.0) + 0.35, 3.5) / gsd
        centre = (int(rng.integers(width * 16)), int(rng.integers(height * 16)))
        axes = (max(1, round(16 * radius)), max(1, round(16 * radius * rng.uniform(0.6, 1))))
        shade = int(rng.integers(50, 160) * min(1.0, 2 * radius))
        cv2.ellipse(dark, centre, axes, float(rng.uniform(0, 180)), 0, 360, shade, -1, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(dark, (3, 3), 0.6).astype(np.float32) / 255


def _coloured(grey: Field, tint: Field, *, warmth: float, green: float) -> Field:
    """Grey with a tint towards red (positive) or blue."""
    warm = tint + np.float32(warmth)
    return np.stack([grey * (1 + warm), grey * np.float32(1 + green), grey * (1 - warm)], -1)
