"""Outer outlines by following borders.

Reference: Suzuki and Abe, "Topological structural analysis of digitized binary images by border following", CVGIP
30(1), 1985, steps 3.1 to 3.5. The points are those of `cv2.findContours` with `CHAIN_APPROX_SIMPLE`, which searches the
whole frame for borders.
"""

from __future__ import annotations

import numpy as np

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.compiled.neighbours import EAST, SOUTH_WEST, Table
from fissura.imaging.components import Indices, Points

MOST = np.iinfo(np.int64).max
MOST_VISITS = 4  # of a pixel: as often as background and crack can alternate around it


@compiled
def outlines_of(pixels: Indices, labels: Indices, count: int, stride: int, table: Table) -> tuple[Points, Indices]:
    """The outer outlines of components.

    Args:
        pixels: of all components, indices into a flat canvas with a frame of background, ascending.
        labels: component of each, numbered by their first pixels.
        count: number of components.
        stride: of the canvas.
        table: (n + 1, 8) the pixels' neighbours, see `neighbours_of`.

    Returns:
        (m, 2) corners of all of them, x and y in the map; (count, 5) left, top, width and height of each, and where its
        outline ends in there.
    """
    corners, total = np.empty(MOST_VISITS * len(pixels), np.int32), 0
    bounds, outlined = np.empty((count, 5), np.int64), 0
    for k in range(len(pixels)):
        if labels[k] == outlined:  # its first pixel
            total = _follow(table, k, corners, total)
            bounds[outlined, 4] = total
            outlined += 1
    points = np.empty((total, 2), np.int32)
    first = 0
    for number in range(count):
        left = top = MOST
        right = bottom = 0
        for k in range(first, bounds[number, 4]):
            pixel = pixels[corners[k]]
            x, y = pixel % stride - 1, pixel // stride - 1
            points[k, 0], points[k, 1] = x, y
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
        bounds[number, 0], bounds[number, 1] = left, top
        bounds[number, 2], bounds[number, 3] = right + 1 - left, bottom + 1 - top
        first = bounds[number, 4]
    return points, bounds


@compiled
def _follow(table: Table, start: int, corners: Points, count: int) -> int:
    """Write down where the outline of a component turns.

    Args:
        table: see `neighbours_of`.
        start: the component's first pixel: there is nothing above it, nor to its left.
        corners: written to, from `count` on.
        count: how many are there already.

    Returns:
        How many are there now.
    """
    nobody = len(table) - 1
    side = EAST
    while side <= SOUTH_WEST and table[start, side] == nobody:
        side += 1
    if side > SOUTH_WEST:
        corners[count] = start
        return count + 1
    last, here, direction = table[start, side], start, side ^ 4
    while True:
        side = (side - 1) % 8  # round the pixel, from where we came
        while table[here, side] == nobody:
            side = (side - 1) % 8
        if side != direction:
            corners[count] = here
            count += 1
            direction = side
        following = table[here, side]
        if following == start and here == last:
            return count
        here, side = following, side ^ 4
