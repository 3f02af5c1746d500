"""Which pixels of a list are neighbours: all that follows works on the list, whose arrays stay in the cache.

A map of the frame's size would have to be cleared by the operating system, page by page, for every frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import compiled, kept
from fissura.imaging.components import Indices

# Columns of a table; the opposite direction is number `^ 4`.
EAST, SOUTH_EAST, SOUTH, SOUTH_WEST, WEST, NORTH_WEST, NORTH, NORTH_EAST = range(8)

Table = NDArray[np.int32]


@compiled
def neighbours_of(pixels: Indices, stride: int) -> Table:
    """(n + 1, 8) the neighbours of each of n pixels, as positions in the list.

    Where there is none it says n, which is the last row's number: nobody, whose neighbours are nobody.

    Args:
        pixels: indices into a flat canvas with a frame of background, ascending.
        stride: of the canvas.
    """
    nobody = len(pixels)
    table = np.full((nobody + 1, 8), nobody, np.int32)
    row_above = 0
    for k in range(nobody):
        if k and pixels[k - 1] == pixels[k] - 1:
            table[k, WEST], table[k - 1, EAST] = k - 1, k
        wanted = pixels[k] - stride - 1
        while pixels[row_above] < wanted:
            row_above += 1
        other = row_above
        for side in (NORTH_WEST, NORTH, NORTH_EAST):
            if pixels[other] == wanted:
                table[k, side], table[other, side ^ 4] = other, k
                other += 1
            wanted += 1
    return table


@kept
def table_of(pixels: Indices, stride: int) -> Table:
    """`neighbours_of`, for Python to call."""
    return neighbours_of(pixels, stride)
