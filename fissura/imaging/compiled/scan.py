"""A map is read once, and becomes a list of pixels with their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.compiled.labels import label
from fissura.imaging.compiled.neighbours import Table, neighbours_of
from fissura.imaging.compiled.runs import runs_in
from fissura.imaging.components import Indices
from fissura.imaging.images import Mask


@compiled
def scan(
    probability: NDArray[np.float32], low_threshold: np.float32, threshold: np.float32, keep: Mask, least_sides: float
) -> tuple[Indices, Indices, NDArray[np.float32], int, Table]:
    """8-connected components of what is at or above the low threshold, each with a pixel at or above the threshold.

    Args:
        probability: (H, W) contiguous; not-a-number is background.
        low_threshold, threshold: the same where there is no hysteresis.
        keep: (H, W) where to look; empty: everywhere.
        least_sides: components whose outlines, counted in pixel sides, are shorter are left out.

    Returns:
        The components' pixels, as indices into the flat canvas; the component of each, numbered by their first pixels;
        its probability; the number of components; the pixels' neighbours, see `neighbours_of`.
    """
    stride = probability.shape[1] + 2
    runs = runs_in(probability, low_threshold, keep)
    label_of, sides = label(runs, stride)
    stays = np.zeros(len(sides), np.bool_)
    for k in range(len(runs)):
        strong = low_threshold >= threshold
        if not strong:
            y = runs[k, 0] // stride
            for pixel in range(runs[k, 0], runs[k, 1]):
                strong |= probability[y - 1, pixel - y * stride - 1] >= threshold
        stays[label_of[k]] |= strong and sides[label_of[k]] >= least_sides
    runs, label_of, count = _sieved(runs, label_of, stays)
    table = neighbours_of(runs, stride)
    size = len(table) - 1
    pixels, labels, values = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.float32)
    at = 0
    for k in range(len(runs)):
        y = runs[k, 0] // stride
        for pixel in range(runs[k, 0], runs[k, 1]):
            pixels[at], labels[at] = pixel, label_of[k]
            values[at] = probability[y - 1, pixel - y * stride - 1]
            at += 1
    return pixels, labels, values, count, table


@compiled
def _sieved(runs: Indices, label_of: Indices, stays: Mask) -> tuple[Indices, Indices, int]:
    """The runs of the components that stay, their numbers without gaps, and how many components these are."""
    new_number, count = np.empty(len(stays), np.int64), 0
    for number in range(len(stays)):
        new_number[number] = count
        count += stays[number]
    left = 0
    for k in range(len(runs)):
        number = label_of[k]
        runs[left, 0], runs[left, 1], label_of[left] = runs[k, 0], runs[k, 1], new_number[number]
        left += stays[number]
    return runs[:left], label_of[:left], count
