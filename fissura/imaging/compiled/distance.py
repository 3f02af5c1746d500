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
    distance = np.zeros(len(table), np.float32)
    for k in range(len(table) - 1):
        left, right = table[k, NORTH_WEST], table[k, NORTH_EAST]
        beside = min(distance[table[k, WEST]], distance[table[k, NORTH]])
        aslant = min(distance[left], distance[right])
        knight = min(
            distance[table[left, WEST]],
            distance[table[left, NORTH]],
            distance[table[right, NORTH]],
            distance[table[right, EAST]],
        )
        distance[k] = min(beside + BESIDE, aslant + ASLANT, knight + KNIGHT)
    for k in range(len(table) - 2, -1, -1):
        left, right = table[k, SOUTH_WEST], table[k, SOUTH_EAST]
        beside = min(distance[table[k, EAST]], distance[table[k, SOUTH]])
        aslant = min(distance[left], distance[right])
        knight = min(
            distance[table[left, WEST]],
            distance[table[left, SOUTH]],
            distance[table[right, SOUTH]],
            distance[table[right, EAST]],
        )
        distance[k] = min(distance[k], beside + BESIDE, aslant + ASLANT, knight + KNIGHT)
    return distance
