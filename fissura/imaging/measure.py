"""Length and width of cracks, from their masks.

Length. The skeleton (all branches, spurs cut off) is smoothed over sigma = 2 pixels and measured as a polygonal line;
`ends.py` adds what is missing at free ends. Counting steps of 1 and sqrt(2) instead would read a straight line at 22.5
degrees 8 % too long; the smoothed line is within 0.5 % at any angle, and rounds off zigzags finer than about 4 pixels.

Width. The mean is area / length. The largest is the highest point of a profile along the skeleton: the Euclidean
distance transform there, doubled, averaged over sigma = 1 pixel of the line. On slanted outlines the transform is off
by a constant of up to 0.5 px (the nearest background pixel stands out of the line), so the profile is shifted by up to
that much to have the mean that area and length give.

Straight bars of 1.5 to 12 px width at any angle read (mean error +- standard deviation): length 0.0 +- 0.6 px, mean
width +0.05 +- 0.1 px, largest width +0.25 +- 0.2 px, most of it the mask's own. Bars along the axes are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.components import (
    Components,
    Floats,
    Indices,
    as_one_component,
    find_components,
    framed,
    positions,
    sum_by,
)
from fissura.imaging.ends import find_ends
from fissura.imaging.images import Mask
from fissura.imaging.skeleton import SkeletonGraph, build, diffuse, prune, smooth
from fissura.imaging.thinning import thin

LENGTH_SMOOTHING = 8
WIDTH_SMOOTHING = 2
MAX_PROFILE_SHIFT_PX = 0.5


@dataclass(frozen=True)
class Measurement:
    """Size of one component, in pixels of its mask.

    Attributes:
        length_px: all branches together.
        mean_width_px: area / length.
        max_width_px: of the width profile along the skeleton.
        area_px: number of pixels.
        skeleton: (H, W) bool, thin lines without spurs.
    """

    length_px: float
    mean_width_px: float
    max_width_px: float
    area_px: float
    skeleton: Mask


@dataclass(frozen=True)
class Measurements:
    """Sizes of `count` components, each an array (count,), in pixels.

    Attributes:
        length_px: all branches together.
        mean_width_px: area / length.
        max_width_px: of the width profile along the skeleton.
        area_px: number of pixels.
        skeleton: (n,) pixels of all skeletons, indices into the flat canvas.
    """

    length_px: Floats
    mean_width_px: Floats
    max_width_px: Floats
    area_px: Floats
    skeleton: Indices


def measure(component: Mask) -> Measurement:
    """Measure one component.

    Args:
        component: (H, W) bool; may touch the edges; all its True pixels are taken together.

    Returns:
        Its size; all zero where no pixel is set.

    Example:
        >>> bar = np.zeros((9, 50), bool)
        >>> bar[3:6, 5:45] = True
        >>> size = measure(bar)
        >>> round(size.length_px), round(size.mean_width_px, 1), size.area_px
        (40, 3.0, 120.0)
    """
    components = as_one_component(component)
    sizes = measure_components(components)
    skeleton = np.zeros(components.canvas.shape, bool)
    skeleton.reshape(-1)[sizes.skeleton] = True
    return Measurement(
        float(sizes.length_px[0]),
        float(sizes.mean_width_px[0]),
        float(sizes.max_width_px[0]),
        float(sizes.area_px[0]),
        skeleton[1:-1, 1:-1],
    )


def long_components(image: Mask, min_length_px: float) -> Mask:
    """What of a binary image lies in components of at least that length: the cracks that would be reported.

    Args:
        image: (H, W) bool.
        min_length_px: in pixels of the image.

    Returns:
        (H, W) bool.
    """
    components = find_components(framed(image), min_length_px=min_length_px)
    kept = measure_components(components).length_px >= min_length_px
    canvas = np.zeros_like(components.canvas)
    canvas.ravel()[components.pixels[kept[components.labels]]] = True
    return canvas[1:-1, 1:-1]


def measure_components(components: Components) -> Measurements:
    """Measure all components at once (they do not touch, so one pass over all their pixels serves each).

    `components.canvas` is used up: it holds the skeletons afterwards.
    """
    pixels, labels, count = components.pixels, components.labels, components.count
    area = np.bincount(labels, minlength=count).astype(np.float64)
    if not len(pixels):
        nothing = np.zeros(count)
        return Measurements(nothing, nothing, nothing, area, pixels)
    canvas = components.canvas
    # The 5 x 5 mask is within 2 % of the exact distance, in an eighth of the time.
    distance = cv2.distanceTransform(canvas.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    nodes = thin(canvas, pixels, pixels[components.on_border])
    graph = prune(canvas, build(canvas, nodes), distance)
    radius = _half_width(distance, graph, canvas)
    label = labels.compress(canvas.reshape(-1).take(pixels))

    line = smooth(graph, positions(graph.nodes, components.stride), LENGTH_SMOOTHING)
    x, y = (line.take(graph.start, axis=0) - line.take(graph.end, axis=0)).T
    ends = find_ends(graph, line, radius, distance)
    length = sum_by(label.take(graph.start), np.sqrt(x * x + y * y), count) + sum_by(label, ends.length_px, count)

    mean_width = area / length
    profile = diffuse(graph, 2 * radius, WIDTH_SMOOTHING)
    weight = np.where(ends.tail, 1e-3, 1.0)  # not zero: a short crack may be nothing but ends
    profile_mean = sum_by(label, profile * weight, count) / sum_by(label, weight, count)
    shift = np.clip(mean_width - profile_mean, -MAX_PROFILE_SHIFT_PX, MAX_PROFILE_SHIFT_PX)
    largest = np.maximum(_largest(profile, label, count) + shift, mean_width)
    return Measurements(length, mean_width, largest, area, graph.nodes)


def _half_width(distance: NDArray[np.float32], graph: SkeletonGraph, skeleton: Mask) -> Floats:
    """(n,) half the crack's width at each node, from the distances of pixel centres to the nearest background centre.

    The two sides are half a pixel nearer than those centres. Left and right of the line the distance falls by one a
    pixel, so the mean over a node and the higher of its neighbours off the line is half the width, whether the middle
    line runs through the node (odd widths) or between the two (even widths).
    """
    stride = skeleton.shape[1]
    beside = graph.nodes + np.array([[-stride], [-1], [1], [stride]])
    off_line = np.where(skeleton.take(beside), 0, distance.take(beside))
    return np.asarray((distance.take(graph.nodes) + off_line.max(axis=0).astype(np.float64)) / 2)


def _largest(values: Floats, label: Indices, count: int) -> Floats:
    largest = np.zeros(count)
    np.maximum.at(largest, label, values)
    return largest
