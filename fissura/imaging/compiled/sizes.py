"""Length and width of all components: see `fissura.imaging.measure`, whose rules these are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.distance import distances
from fissura.imaging.compiled.ends import find_ends
from fissura.imaging.compiled.jit import compiled
from fissura.imaging.compiled.neighbours import EAST, NORTH, SOUTH, WEST, Table
from fissura.imaging.compiled.skeleton import diffuse, prune, smooth
from fissura.imaging.compiled.thinning import thin
from fissura.imaging.components import Floats, Indices
from fissura.imaging.images import Mask
from fissura.imaging.measure import LENGTH_SMOOTHING, MAX_PROFILE_SHIFT_PX, WIDTH_SMOOTHING


@compiled
def measure(pixels: Indices, labels: Indices, count: int, stride: int, table: Table) -> tuple[Floats, Indices]:
    """Measure components.

    Args:
        pixels: the components', indices into a flat canvas with a frame of background, ascending.
        labels: component of each pixel.
        count: number of components.
        stride: of the canvas.
        table: (n + 1, 8) the pixels' neighbours, see `neighbours_of`.

    Returns:
        (4, count) length, mean width, largest width and area of each, pixels; the pixels of all skeletons.
    """
    distance, skeleton = distances(table), thin(table)
    nodes, neighbours, degree = prune(table, skeleton, pixels, distance, stride)
    label_of, pixel_of = np.empty(len(nodes), np.int64), np.empty(len(nodes), np.int64)
    radius, width = np.zeros(len(nodes) + 1), np.zeros(len(nodes) + 1)
    x, y = np.zeros(len(nodes) + 1), np.zeros(len(nodes) + 1)
    for k in range(len(nodes)):
        label_of[k], pixel_of[k] = labels[nodes[k]], pixels[nodes[k]]
        radius[k] = _half_width(distance, skeleton, table[nodes[k]], nodes[k])
        width[k] = 2 * radius[k]
        row = pixel_of[k] // stride
        x[k], y[k] = pixel_of[k] - row * stride - 1, row - 1
    x, y = smooth(neighbours, degree, x, y, LENGTH_SMOOTHING)
    added, tail = find_ends(neighbours, degree, x, y, radius, pixels, stride)
    lines, ends = np.zeros(count), np.zeros(count)
    for k in range(len(nodes)):
        for to in neighbours[k, :2]:
            if to < len(nodes):
                right, down = x[k] - x[to], y[k] - y[to]
                lines[label_of[k]] += np.sqrt(right * right + down * down)
        ends[label_of[k]] += added[k]
    sizes = np.zeros((4, count))
    length, mean_width, max_width, area = sizes[0], sizes[1], sizes[2], sizes[3]
    for number in labels:
        area[number] += 1
    for number in range(count):
        length[number] = lines[number] + ends[number]
        mean_width[number] = area[number] / length[number]
    profile = diffuse(neighbours, degree, width, WIDTH_SMOOTHING)
    _largest(profile, label_of, tail, mean_width, max_width)
    return sizes, pixel_of


@compiled
def _half_width(distance: NDArray[np.float32], skeleton: Mask, near: NDArray[np.int32], node: int) -> float:
    off_line = np.float32(0)
    for side in (EAST, SOUTH, WEST, NORTH):
        if not skeleton[near[side]]:
            off_line = max(off_line, distance[near[side]])
    return (float(distance[node]) + float(off_line)) / 2


@compiled
def _largest(profile: Floats, label_of: Indices, tail: Mask, mean_width: Floats, largest: Floats) -> None:
    """The largest width of each component, written to zeros."""
    count = len(mean_width)
    total, weights = np.zeros(count), np.zeros(count)
    for k in range(len(label_of)):
        label = label_of[k]
        weight = 1e-3 if tail[k] else 1.0  # not zero: a short crack may be nothing but ends
        total[label] += weight * profile[k]
        weights[label] += weight
        largest[label] = max(largest[label], profile[k])
    for label in range(count):
        shift = mean_width[label] - total[label] / weights[label]
        shift = min(max(shift, -MAX_PROFILE_SHIFT_PX), MAX_PROFILE_SHIFT_PX)
        largest[label] = max(largest[label] + shift, mean_width[label])
