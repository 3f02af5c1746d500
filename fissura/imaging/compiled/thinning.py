"""Thinning by the rule of `fissura.imaging.thinning`, with a list of the pixels that may go next."""

from __future__ import annotations

import numpy as np

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
from fissura.imaging.images import Mask
from fissura.imaging.thinning import goes

STRAIGHT = 1 << EAST | 1 << SOUTH | 1 << WEST | 1 << NORTH


def _removable() -> Mask:
    """(2, 256): whether a pixel goes, by half-round and neighbours, bit by bit as a table's columns."""
    order = (NORTH, NORTH_EAST, EAST, SOUTH_EAST, SOUTH, SOUTH_WEST, WEST, NORTH_WEST)
    fates = [goes(*(bool(code >> side & 1) for side in order)) for code in range(256)]
    return np.array(fates).T.copy()


_REMOVABLE = _removable()


@compiled
def thin(table: Table) -> Mask:
    """Peel components down to their skeletons.

    Args:
        table: (n + 1, 8) see `neighbours_of`.

    Returns:
        (n + 1,) whether a pixel is left; nobody is not.
    """
    nobody = len(table) - 1
    left = np.ones(nobody + 1, np.bool_)
    left[nobody] = False
    around = np.zeros(nobody + 1, np.uint8)
    # A pixel's fate changes with its neighbours and with the half-round: it is due twice after it was touched.
    # Which pixels go is hardly to be foreseen, so that the processor would guess wrong at most branches: there are
    # none. A list's next place is written to in any case, and counts only if the pixel belongs there.
    due, going = np.empty(nobody + 1, np.uint32), np.empty(nobody + 1, np.uint32)
    due_to = np.zeros(nobody + 1, np.int32)  # the last half-round in which a pixel is due
    count, half_round = 0, 0
    for k in range(nobody):
        code = 0
        for side in range(8):
            code |= (table[k, side] < nobody) << side
        around[k] = code
        on_border = code & STRAIGHT != STRAIGHT
        due[count], due_to[k] = k, 2 * on_border
        count += on_border
    while count:
        removable = _REMOVABLE[half_round % 2]
        half_round += 1
        gone, still = 0, 0
        for n in range(count):
            k = due[n]
            goes_now = removable[around[k]]
            going[gone], due[still] = k, k
            gone += goes_now
            still += (not goes_now) & (due_to[k] > half_round)
        count = still
        for k in going[:gone]:  # all at once: none of them knows of the others
            left[k] = False
        for k in going[:gone]:
            for side in range(8):
                touched = table[k, side]
                around[touched] &= ~(1 << (side ^ 4))
                due[count] = touched
                count += left[touched] & (due_to[touched] <= half_round)
                due_to[touched] = half_round + 2
    return left
