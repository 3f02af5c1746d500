"""Random probability maps and masks, and masks that look like cracks."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fissura.imaging.images import Mask
from fissura.metrics.counts import THRESHOLDS

Pair = tuple[NDArray[np.float32], Mask]


@st.composite
def pairs(draw: st.DrawFn, largest: int = 14) -> Pair:
    """A small map and a mask of its size."""
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = generator.random((height, width)) < draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
    kind = draw(st.sampled_from(["noise", "few values", "on thresholds", "good", "black", "white"]))
    noise = generator.random((height, width), dtype=np.float32)
    if kind == "few values":
        noise = generator.choice(np.array([0.2, 0.5, 0.9], np.float32), (height, width))
    elif kind == "on thresholds":
        noise = generator.choice(THRESHOLDS, (height, width))
    elif kind == "good":
        noise = (0.7 * mask + 0.3 * noise).astype(np.float32)
    elif kind in ("black", "white"):
        noise = np.full_like(noise, kind == "white")
    return noise, mask


def crack(seed: int, height: int = 48, width: int = 64, thickness: int = 3) -> Mask:
    """A winding line that keeps away from the border."""
    generator = np.random.default_rng(seed)
    x = np.linspace(10, width - 10, 12)
    y = np.clip(height / 2 + np.cumsum(generator.normal(0, 3, 12)), 10, height - 10)
    canvas = np.zeros((height, width), np.uint8)
    cv2.polylines(canvas, [np.rint(np.stack([x, y], axis=1)).astype(np.int32)], False, 1, thickness)
    return canvas > 0


def soft(mask: Mask, seed: int) -> NDArray[np.float32]:
    """What a fair network would make of it."""
    generator = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(generator.standard_normal(mask.shape).astype(np.float32), (0, 0), 1.5)
    logit = 7 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.2) - 4 + 1.5 * noise / noise.std()
    return np.asarray(1 / (1 + np.exp(-logit)), np.float32)
