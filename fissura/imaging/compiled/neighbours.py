"""Which pixels of a list are neighbours: all that follows works on the list, whose arrays stay in the cache.

A map of the frame's size would have to be cleared by the operating system, page by page, for every frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.components import Indices

# Columns of a table; the opposite direction is number `^ 4`.
EAST, SOUTH_EAST, SOUTH, SOUTH_WEST, WEST, NORTH_WEST, NORTH, NORTH_EAST = range(8)

# Unsigned: one that may be negative would be looked at, at each use, for whether it counts from the end.
Table = NDArray[np.uint32]


@compiled
def neighbours_of(runs: Indices, stride: int) -> Table:
    """(n + 1, 8) the neighbours of each of the n pixels of some runs, as positions in the list of all pixels.

    Where there is none it says n, which is the last row's number: nobody, whose neighbours are nobody.

    Args:
        runs: (r, 2) see `fissura.imaging.compiled.runs`.
        stride: of the canvas.
    """
    begins, nobody = np.empty(len(runs), np.int64), 0
    for k in range(len(runs)):
        begins[k] = nobody
        nobody += runs[k, 1] - runs[k, 0]
    table = np.full((nobody + 1, 8), nobody, np.uint32)
    above = 0
    for k in range(len(runs)):
        first, behind = runs[k, 0] - stride, runs[k, 1] - stride  # straight above this run
        for here in range(begins[k] + 1, begins[k] + behind - first):
            table[here, WEST], table[here - 1, EAST] = here - 1, here
        while runs[above, 1] < first:
            above += 1
        other = above
        while runs[other, 0] <= behind:  # aslant at most
            for side in (NORTH_WEST, NORTH, NORTH_EAST):
                aside = side - NORTH
                low, high = max(runs[other, 0], first + aside), min(runs[other, 1], behind + aside)
                here, there = begins[k] + low - first - aside, begins[other] + low - runs[other, 0]
                for _ in range(high - low):
                    table[here, side], table[there, side ^ 4] = there, here
                    here += 1
                    there += 1
            other += 1
    return table
