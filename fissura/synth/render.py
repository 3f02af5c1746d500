"""One frame: surface, what lies on it, cracks, light, camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fissura.errors import UsageError
from fissura.imaging.images import Mask, RgbImage
from fissura.synth.camera import photograph
from fissura.synth.config import SynthConfig
from fissura.synth.coverage import cover, mask_of
from fissura.synth.crack import SynthCrack, Trace, draw_traces, truth
from fissura.synth.distractors import add_joint, add_lane_paint, add_stains
from fissura.synth.fill import paint_crack
from fissura.synth.light import illumination, shadow
from fissura.synth.noise import Field
from fissura.synth.texture import asphalt, concrete


@dataclass(frozen=True, eq=False)
class SynthFrame:
    """A picture and what is true of it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, crack; see `fissura.synth.coverage.mask_of` for the rule.
        cracks: every crack and branch inside the frame.
    """

    image: RgbImage
    mask: Mask
    cracks: tuple[SynthCrack, ...]


def render(config: SynthConfig, seed: int, index: int) -> SynthFrame:
    """Render frame number `index` of a series; it depends on nothing but the three arguments.

    Raises:
        UsageError: seed or index is negative.
    """
    if min(seed, index) < 0:
        raise UsageError(f"seed {seed}, frame number {index}", expected="both 0 or more")
    # A stream of chance for each stage: a new distractor does not move the cracks.
    surface_rng, crack_rng, light_rng, camera_rng = np.random.default_rng([seed, index]).spawn(4)
    surface = _surface(surface_rng, config)
    surface, coverage, traces = _cracks(crack_rng, surface, config)
    scene = surface * illumination(light_rng, config)[..., None]
    if light_rng.random() < config.shadows:
        scene *= shadow(light_rng, config)
    return SynthFrame(
        photograph(camera_rng, scene, config),
        mask_of(coverage, traces),
        tuple(crack for trace in traces for crack in truth(trace, config)),
    )


def _surface(rng: np.random.Generator, config: SynthConfig) -> Field:
    surface = concrete(rng, config) if rng.random() < config.concrete else asphalt(rng, config)
    for share, add in (
        (config.joints, add_joint),
        (config.lane_paint, add_lane_paint),
        (config.stains, add_stains),
    ):
        if rng.random() < share:
            surface = add(rng, surface, config)
    return surface


def _cracks(rng: np.random.Generator, surface: Field, config: SynthConfig) -> tuple[Field, Field, list[Trace]]:
    height, width = surface.shape[:2]
    covered = np.zeros((height, width), np.float32)
    traces: list[Trace] = []
    if rng.random() < config.crack_free:
        return surface, covered, traces
    for _ in range(rng.integers(config.cracks[0], config.cracks[1], endpoint=True)):
        parts = draw_traces(rng, config)
        coverage = np.zeros_like(covered)
        for part in parts:
            cover(coverage, part)
        paint_crack(rng, surface, coverage, config)
        np.maximum(covered, coverage, out=covered)
        traces += parts
    return surface, covered, traces
