"""What is crack in a probability map, what of it hangs together, and how large each piece is: numpy's way."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.components import Components, Floats, Indices, Points, find_components, sum_by
from fissura.imaging.images import Mask
from fissura.imaging.measure import Measurements, measure_components
from fissura.imaging.outlines import find_outlines
from fissura.imaging.temperature import tempered


@dataclass(frozen=True)
class Found:
    """The components of a map.

    Attributes:
        sizes: of each of the components, in pixels of the map.
        confidences: (count,) mean probability over the pixels of each, at the temperature.
        order: the m components that are long enough, longest first.
        outlines: of each of these, see `find_outlines`.
        boxes: of each of these: left, top, width, height.
    """

    sizes: Measurements
    confidences: Floats
    order: list[int]
    outlines: list[Points]
    boxes: list[list[int]]


def find(
    probability: NDArray[np.float32],
    *,
    threshold: float,
    low_threshold: float | None = None,
    keep: Mask | None = None,
    temperature: float = 1.0,
    min_length_px: float = 0,
) -> Found:
    """8-connected components of the pixels at or above the threshold.

    Args:
        probability: (H, W) float32; not-a-number is background.
        threshold: pixels at and above it are crack; rounded to float32, as the map is.
        low_threshold: of hysteresis, not above the threshold: the components are those of the pixels at or above it
            that hold a pixel at or above the threshold. None: the threshold alone decides.
        keep: (H, W) bool, where to look; None is everywhere. What lies beyond holds nothing together.
        temperature: of the confidences alone; see `tempered`.
        min_length_px: shorter ones are too short; pixels of the map.
    """
    height, width = probability.shape
    canvas = np.zeros((height + 2, width + 2), bool)
    inner = canvas[1:-1, 1:-1]
    np.greater_equal(probability, np.float32(threshold if low_threshold is None else low_threshold), out=inner)
    if keep is not None:
        inner &= keep
    components = find_components(canvas, min_length_px=min_length_px)
    if low_threshold is not None:
        strong = components.labels.compress(_values_at(probability, components) >= np.float32(threshold))
        components = components.only(np.bincount(strong, minlength=components.count) > 0)
    sizes = measure_components(components)
    confidences = mean_by(components.labels, _values_at(probability, components), temperature, sizes.area_px)
    order = longest_first(sizes.length_px, min_length_px)
    outlines = find_outlines(components, order) if order else []
    return Found(sizes, confidences, order, outlines, [list(cv2.boundingRect(outline)) for outline in outlines])


def mean_by(labels: Indices, values: NDArray[np.float32], temperature: float, area_px: Floats) -> Floats:
    """(count,) the mean of the probabilities of each component's pixels, at the temperature."""
    return sum_by(labels, tempered(values, temperature), len(area_px)) / area_px


def longest_first(length_px: Floats, min_length_px: float) -> list[int]:
    """The components that are long enough; of two that are as long, the lower number comes first.

    By Python's own sort: there are a few, for which numpy's calls take longer.
    """
    lengths = length_px.tolist()
    long_enough = [number for number, length in enumerate(lengths) if length >= min_length_px]
    return sorted(long_enough, key=lengths.__getitem__, reverse=True)


def _values_at(probability: NDArray[np.float32], components: Components) -> NDArray[np.float32]:
    """(n,) the components' pixels in the map, which has no frame around it."""
    stride = components.stride
    y = components.pixels // stride
    return probability.take(components.pixels - 2 * y - (stride - 1))  # two pixels less a row, and a row and a pixel
