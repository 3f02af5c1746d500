"""Distances to the background, at the pixels that are set alone.

Reference: Borgefors, "Distance transformations in digital images", CVGIP 34(3), 1986: the 5 x 5 mask, with the weights
that `cv2.distanceTransform` documents. OpenCV's own passes visit every pixel of the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.compiled.neighbours import (
    EAST,
    NORTH,
    NORTH_EAST,
    NORTH_WEST,
    SOUTH,
    SOUTH_EAST,
    SOUTH_WEST,
    WEST,
    Table,
)

BESIDE = np.float32(1)
ASLANT = np.float32(1.4)
KNIGHT = np.float32(2.1969)  # two along one axis, one along the other


@compiled
def distances(table: Table) -> NDArray[np.float32]:
    """(n + 1,) of each pixel to the nearest background pixel; 0 for nobody.

    Args:
        table: (n + 1, 8) see `neighbours_of`.
    """
    # A knight's move goes by way of a neighbour aslant: where that is background it is the nearer one in any case.
    # The neighbour to the west is the pixel before, and to the east the one after: its distance, just found, need not
    # be read from memory again, for which the next would have to wait.
    nobody = len(table) - 1
    distance = np.zeros(nobody + 1, np.float32)
    before = np.float32(0)
    for k in range(nobody):
        left, right = table[k, NORTH_WEST], table[k, NORTH_EAST]
        aslant = min(distance[left], distance[right])
        knight = min(
            distance[table[left, WEST]],
            distance[table[left, NORTH]],
            distance[table[right, NORTH]],
            distance[table[right, EAST]],
        )
        others = min(distance[table[k, NORTH]] + BESIDE, aslant + ASLANT, knight + KNIGHT)
        before = min(others, (before if table[k, WEST] < nobody else np.float32(0)) + BESIDE)
        distance[k] = before
    for k in range(nobody - 1, -1, -1):
        left, right = table[k, SOUTH_WEST], table[k, SOUTH_EAST]
        aslant = min(distance[left], distance[right])
        knight = min(
            distance[table[left, WEST]],
            distance[table[left, SOUTH]],
            distance[table[right, SOUTH]],
            distance[table[right, EAST]],
        )
        others = min(distance[k], distance[table[k, SOUTH]] + BESIDE, aslant + ASLANT, knight + KNIGHT)
        before = min(others, (before if table[k, EAST] < nobody else np.float32(0)) + BESIDE)
        distance[k] = before
    return distance
