"""What a crack's free ends add to the length of its skeleton.

Thinning stops half a width before a blunt end, or bends into one of its corners. So the last stretch of a wide crack's
line is replaced by a straight one: from where the line is sound, along its direction there, to where it leaves the
crack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.components import Floats, Indices
from fissura.imaging.images import Mask
from fissura.imaging.skeleton import STEPS_AT_FIRST, SkeletonGraph

WIDE_RADIUS_PX = 1.5
RAY_STEP_PX = 0.25


@dataclass(frozen=True)
class Ends:
    """The free ends of lines.

    Attributes:
        length_px: (n,) what to add to the line's length at each node: zero but at free ends; less than zero where
            the line bends into a corner.
        tail: (n,) nodes of the stretches that were replaced: their radius says little.
    """

    length_px: Floats
    tail: Mask


def find_ends(graph: SkeletonGraph, line: Floats, radius: Floats, distance: NDArray[np.float32]) -> Ends:
    """Look at each free end.

    An end that is thin (below 3 px there are no corners to bend into), or too near to a junction or another end to
    have a sound stretch, gets the half width there.

    Args:
        graph: the skeleton.
        line: (n, 2) the nodes' smoothed x and y, pixels of the image.
        radius: (n,) half the crack's width at each node, pixels.
        distance: (H + 2, W + 2) of each pixel to the background, 0 there; the image inside a frame of one pixel.
    """
    degree = graph.degree
    length = np.where(degree <= 1, (2 - degree) * radius, 0.0)  # a lone pixel has both its ends
    tail = np.zeros(len(degree), bool)
    largest = float(radius.max())
    steps = min(int(3 * largest + 4) + 1, STEPS_AT_FIRST)
    end = np.flatnonzero(degree == 1)
    while len(end) and largest >= WIDE_RADIUS_PX:
        path, there = graph.walk(end, steps)
        walked = _walked(line, path)
        # The line is sound beyond a corner's reach (walked = 1.4 radii); its direction is taken over as much again.
        half_width = radius.take(path)
        foot = (there & (walked > 1.5 * half_width + 1)).argmax(axis=0)  # 0 where there is none
        back = (there & (walked > 3 * half_width + 4)).argmax(axis=0)
        chosen = np.flatnonzero((foot > 0) & (back > foot))
        chosen = chosen.compress(half_width[foot.take(chosen), chosen] >= WIDE_RADIUS_PX)
        if len(chosen):
            foot, at_foot = foot.take(chosen), path[foot.take(chosen), chosen]
            sound = line.take(at_foot, axis=0)
            outwards = sound - line.take(path[back.take(chosen), chosen], axis=0)
            outwards /= np.maximum(np.sqrt((outwards * outwards).sum(axis=1, keepdims=True)), 1e-9)
            replaced = walked[foot, chosen]
            length[end.take(chosen)] = _reach(distance, sound, outwards, replaced + radius.take(at_foot) + 1) - replaced
            tail[path.take(chosen, axis=1)[np.arange(len(path))[:, None] < foot]] = True
        end, steps = end.compress(there[-1] & (back == 0)), 2 * steps
    return Ends(length, tail)


def _walked(line: Floats, path: Indices) -> Floats:
    """(steps + 1, ends) lengths from the start of each path to each of its nodes, pixels."""
    x, y = np.diff(line.take(path, axis=0), axis=0).transpose(2, 0, 1)
    walked = np.zeros(path.shape)
    np.cumsum(np.sqrt(x * x + y * y), axis=0, out=walked[1:])
    return walked


def _reach(distance: NDArray[np.float32], start: Floats, direction: Floats, limit: Floats) -> Floats:
    """(n,) pixels from each start along its direction to where that leaves the crack, at most `limit`."""
    steps = RAY_STEP_PX * (np.arange(int(limit.max() / RAY_STEP_PX) + 2) + 0.5)
    x, y = (start[:, axis, None] + steps * direction[:, axis, None] for axis in (0, 1))
    pixel = (np.rint(y) + 1) * distance.shape[1] + (np.rint(x) + 1)
    # Where a ray leaves the canvas it has crossed the frame before.
    outside = distance.take(pixel.astype(np.int64), mode="clip") == 0
    outside |= steps > limit[:, None]
    return steps.take(outside.argmax(axis=1)) - RAY_STEP_PX / 2
