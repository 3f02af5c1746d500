"""What is set in a map, as runs: a crack of some thousand pixels is some hundred runs.

Reference: He, Chao, Suzuki, "A run-based two-scan labeling algorithm", IEEE TIP 17(5), 2008.

Runs are (r, 2): the first pixel of each and the one behind its last, as indices into a flat canvas (the map inside a
frame of one background pixel), ascending. No run goes on in the next row, since the frame lies between.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.components import Indices
from fissura.imaging.images import Mask

EIGHT_SET = 0x0101010101010101  # eight True bytes, read as one number


@compiled
def runs_in(probability: NDArray[np.float32], threshold: np.float32, keep: Mask) -> Indices:
    """The runs of what is at or above a threshold.

    Args:
        probability: (H, W) contiguous; not-a-number is background.
        threshold: as precise as the map.
        keep: (H, W) where to look; empty: everywhere.
    """
    height, width = probability.shape
    # One row at a time, which stays in the cache: first without a branch, so that the processor compares many at once,
    # then eight pixels at a time, most of which are alike. The byte behind the last pixel ends its run.
    eights = np.zeros(width // 8 + 1, np.int64)
    row = eights.view(np.bool_)
    edges, count = np.empty(2 * len(row), np.int64), 0
    for y in range(height):
        values = probability[y]
        for x in range(width):
            row[x] = values[x] >= threshold
        if len(keep):
            for x in range(width):
                row[x] &= keep[y, x]
        if count + len(row) >= len(edges):
            longer = np.empty(2 * len(edges), np.int64)
            for k in range(count):  # a slice that is assigned to takes seconds to compile
                longer[k] = edges[k]
            edges = longer
        left = (y + 1) * (width + 2) + 1
        inside = False
        for k in range(len(eights)):
            if eights[k] == (EIGHT_SET if inside else 0):
                continue
            for x in range(8 * k, 8 * k + 8):
                edges[count] = left + x  # overwritten by the next one where it is none
                count += row[x] != inside
                inside = row[x]
    return edges[:count].reshape(-1, 2)
