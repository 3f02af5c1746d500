"""Connected components by union-find: one pass over the runs of pixels, one over their numbers."""

from __future__ import annotations

import numpy as np

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.components import Indices


@compiled
def label(runs: Indices, stride: int) -> tuple[Indices, Indices]:
    """Which runs hang together, as 8-connected pixels.

    Args:
        runs: (r, 2) see `fissura.imaging.compiled.runs`.
        stride: of the canvas.

    Returns:
        (r,) the component of each run, numbered by their first pixels, with gaps; (r,) the open sides of all pixels of
        each component.
    """
    parent, labels = np.empty(len(runs), np.int64), np.empty(len(runs), np.int64)
    sides, sides_of = np.empty(len(runs), np.int64), np.zeros(len(runs), np.int64)
    count, above = 0, 0
    for k in range(len(runs)):
        first, behind = runs[k, 0] - stride, runs[k, 1] - stride  # straight above this run
        while runs[above, 1] < first:
            above += 1
        mine, other, beside = count, above, 0
        while runs[other, 0] <= behind:  # aslant at most
            theirs = _root(parent, labels[other])
            if mine < theirs:
                parent[theirs] = mine
            elif theirs < mine:
                if mine < count:
                    parent[mine] = theirs
                mine = theirs
            beside += max(0, min(behind, runs[other, 1]) - max(first, runs[other, 0]))
            other += 1
        if mine == count:
            parent[mine] = mine
            count += 1
        labels[k] = mine
        sides[k] = 2 + 2 * (behind - first - beside)  # what is below has as many open sides as what is above
    for k in range(len(runs)):
        labels[k] = _root(parent, labels[k])
        sides_of[labels[k]] += sides[k]
    return labels, sides_of[:count]


@compiled
def _root(parent: Indices, number: int) -> int:
    """The smallest number of a component; the way there is halved for the next one."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number
