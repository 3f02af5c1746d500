"""What free ends add to the length: see `fissura.imaging.ends`, whose rules these are."""

from __future__ import annotations

import numpy as np

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.compiled.skeleton import Degrees, Neighbours, onwards
from fissura.imaging.components import Floats, Indices
from fissura.imaging.ends import RAY_STEP_PX, WIDE_RADIUS_PX
from fissura.imaging.images import Mask


@compiled
def find_ends(
    neighbours: Neighbours,
    degree: Degrees,
    x: Floats,
    y: Floats,
    radius: Floats,
    pixels: Indices,
    stride: int,
) -> tuple[Floats, Mask]:
    """Look at each free end.

    Args:
        neighbours, degree: of n nodes.
        x, y: the nodes' smoothed places, pixels of the image.
        radius: half the crack's width at each node, pixels.
        pixels: (m,) of the cracks, indices into a flat canvas with a frame of background, ascending.
        stride: of the canvas.

    Returns:
        (n,) what to add to the line's length at each node, pixels; (n,) whether it is of a stretch that was replaced.
    """
    count = len(degree)
    length, tail = np.zeros(count), np.zeros(count, np.bool_)
    path, walked = np.empty(count, np.int64), np.empty(count)
    wide = radius.max() >= WIDE_RADIUS_PX
    for end in range(count):
        if degree[end] > 1:
            continue
        length[end] = (2 - degree[end]) * radius[end]  # a lone pixel has both its ends
        if degree[end] == 0 or not wide:
            continue
        foot, back = _sound_stretch(end, neighbours, degree, x, y, radius, path, walked)
        if not 0 < foot < back or radius[path[foot]] < WIDE_RADIUS_PX:
            continue
        at_foot, at_back = path[foot], path[back]
        right, down = x[at_foot] - x[at_back], y[at_foot] - y[at_back]
        norm = max(np.sqrt(right * right + down * down), 1e-9)
        limit = walked[foot] + radius[at_foot] + 1
        reach = _reach(pixels, stride, x[at_foot], y[at_foot], right / norm, down / norm, limit)
        length[end] = reach - walked[foot]
        for node in path[:foot]:
            tail[node] = True
    return length, tail


@compiled
def _sound_stretch(
    end: int,
    neighbours: Neighbours,
    degree: Degrees,
    x: Floats,
    y: Floats,
    radius: Floats,
    path: Indices,
    walked: Floats,
) -> tuple[int, int]:
    """Where on the path from a free end the line is sound, and how far its direction is taken; 0 where there is none.

    Args:
        end: where the path starts.
        neighbours, degree, x, y, radius: as for `find_ends`.
        path, walked: written to: nodes, and pixels from the end to each.
    """
    before, here, foot = len(degree), end, 0
    path[0], walked[0] = end, 0.0
    for step in range(1, len(degree)):
        before, here = here, onwards(neighbours, here, before)
        right, down = x[here] - x[before], y[here] - y[before]
        path[step], walked[step] = here, walked[step - 1] + np.sqrt(right * right + down * down)
        if foot == 0 and walked[step] > 1.5 * radius[here] + 1:
            foot = step
        if walked[step] > 3 * radius[here] + 4:
            return foot, step
        if degree[here] != 2:
            break
    return foot, 0


@compiled
def _reach(pixels: Indices, stride: int, x: float, y: float, right: float, down: float, limit: float) -> float:
    """Pixels from a place along a direction to where that leaves the crack, at most `limit`."""
    steps = 0
    while True:
        along = RAY_STEP_PX * (steps + 0.5)
        pixel = (int(np.rint(y + along * down)) + 1) * stride + int(np.rint(x + along * right)) + 1
        at = np.searchsorted(pixels, pixel)
        if along > limit or at == len(pixels) or pixels[at] != pixel:
            return along - RAY_STEP_PX / 2
        steps += 1
