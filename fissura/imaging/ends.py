"""What a crack's free ends add to the length of its skeleton.

Thinning stops half a width before a blunt end, or bends into one of its corners. So the last stretch of a wide crack's
line is replaced by a straight one: from where the line is sound, along its direction there, to where it leaves the
crack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fissura.imaging.components import Floats, Indices
from fissura.imaging.images import Mask
from fissura.imaging.skeleton import SkeletonGraph

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


def find_ends(graph: SkeletonGraph, line: Floats, radius: Floats, crack: Mask) -> Ends:
    """Look at each free end.

    An end that is thin (below 3 px there are no corners to bend into), or too near to a junction or another end to
    have a sound stretch, gets the half width there.

    Args:
        graph: the skeleton.
        line: (n, 2) the nodes' smoothed x and y, pixels of the image.
        radius: (n,) half the crack's width at each node, pixels.
        crack: (H + 2, W + 2) bool, the crack inside a frame of one False pixel.
    """
    degree = graph.degree
    length = np.where(degree <= 1, (2 - degree) * radius, 0.0)  # a lone pixel has both its ends
    tail = np.zeros(len(degree), bool)
    end = np.flatnonzero(degree == 1)
    # The line is sound beyond a corner's reach (walked = 1.4 radii); its direction is taken over as much again.
    far = 3 * radius + 4
    path, walked = _walk(graph, line, end, far)
    there = path >= 0
    foot = _first(there & (walked > 1.5 * radius[path] + 1))
    back = _first(there & (walked > far[path]))
    rows = np.flatnonzero((foot >= 0) & (back > foot))
    rows = rows[radius[path[rows, foot[rows]]] >= WIDE_RADIUS_PX]
    at_foot, at_back, foot_walked = path[rows, foot[rows]], path[rows, back[rows]], walked[rows, foot[rows]]
    outwards = line[at_foot] - line[at_back]
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-9)
    length[end[rows]] = _reach(crack, line[at_foot], outwards, foot_walked + radius[at_foot] + 1) - foot_walked
    before_foot = np.arange(path.shape[1]) < foot[rows, None]
    tail[path[rows][before_foot]] = True
    return Ends(length, tail)


def _walk(graph: SkeletonGraph, line: Floats, end: Indices, far: Floats) -> tuple[Indices, Floats]:
    """Paths from free ends along their lines, up to a junction, another end or a node that is `far` from its end.

    Returns:
        (ends, steps) nodes, -1 after the path's last, and the lengths from the end to each, pixels.
    """
    size = len(graph.nodes)
    degree = graph.degree
    neighbours = np.bincount(graph.start, graph.end, size) + np.bincount(graph.end, graph.start, size)
    both = neighbours.astype(np.int64)  # the sum of the two neighbours' positions: less the one, it is the other
    paths, lengths = [end], [np.zeros(len(end))]
    before, on_the_way = np.zeros_like(end), degree == 2
    going = np.ones(len(end), bool)
    while going.any():
        here, walked = paths[-1], lengths[-1]
        after = np.where(going, both.take(here) - before, -1)
        x, y = (line.take(after, axis=0) - line.take(here, axis=0)).T
        walked = walked + np.where(going, np.sqrt(x * x + y * y), 0)
        paths.append(after)
        lengths.append(walked)
        before = here
        going = going & on_the_way.take(after) & (walked <= far.take(after))
    return np.stack(paths, axis=1), np.stack(lengths, axis=1)


def _first(condition: Mask) -> Indices:
    """(rows,) column of the first True in each row, -1 where there is none."""
    return np.where(condition.any(axis=1), condition.argmax(axis=1), -1)


def _reach(crack: Mask, start: Floats, direction: Floats, limit: Floats) -> Floats:
    """(n,) pixels from each start along its direction to where that leaves the crack, at most `limit`."""
    steps = RAY_STEP_PX * (np.arange(int(limit.max(initial=0) / RAY_STEP_PX) + 2) + 0.5)
    places = start[:, None] + steps[:, None] * direction[:, None]
    x, y = (np.rint(places[..., axis]).astype(np.int64) + 1 for axis in (0, 1))
    outside = ~crack[y.clip(0, crack.shape[0] - 1), x.clip(0, crack.shape[1] - 1)] | (steps > limit[:, None])
    return steps[outside.argmax(axis=1)] - RAY_STEP_PX / 2
