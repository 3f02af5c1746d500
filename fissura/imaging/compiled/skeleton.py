"""The skeleton's graph: see `fissura.imaging.skeleton`, whose rules these are.

A graph of n nodes is (n, 4) neighbours, n where there is none, and (n,) degrees. A step to the right or below right is
in the first column, one below or below left in the second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import compiled
from fissura.imaging.compiled.neighbours import EAST, NORTH, SOUTH, WEST, Table
from fissura.imaging.components import Floats, Indices
from fissura.imaging.images import Mask
from fissura.imaging.skeleton import PRUNE_ROUNDS

Neighbours = NDArray[np.uint32]
Degrees = NDArray[np.uint32]
Nodes = NDArray[np.uint32]


@compiled
def join(table: Table, left: Mask, nodes: Nodes) -> tuple[Neighbours, Degrees]:
    """The graph of a skeleton.

    Args:
        table: (m + 1, 8) of all pixels, see `neighbours_of`.
        left: (m + 1,) whether a pixel is of the skeleton.
        nodes: (n,) the pixels that are, as positions in the list of all.
    """
    none = len(nodes)
    node_at = np.empty(len(table), np.uint32)  # read only where it was written
    neighbours, degree = np.full((none, 4), none, np.uint32), np.zeros(none, np.uint32)
    for node in range(none):
        node_at[nodes[node]] = node
    for node in range(none):
        near = table[nodes[node]]
        for column, side in enumerate((EAST, SOUTH, WEST, NORTH)):
            to = near[side]
            if not left[to] and not left[near[(side + 2) % 8]]:
                to = near[side + 1]  # aslant, where there is no way around the corner
            if left[to]:
                neighbours[node, column] = node_at[to]
                degree[node] += 1
    return neighbours, degree


@compiled
def onwards(neighbours: Neighbours, here: int, before: int) -> int:
    """The other neighbour of a node that has two; with `before` = n, the one of a node that has one."""
    return int(neighbours[here, 0] ^ neighbours[here, 1] ^ neighbours[here, 2] ^ neighbours[here, 3] ^ before)


@compiled
def prune(
    table: Table, left: Mask, pixels: Indices, distance: NDArray[np.float32], stride: int
) -> tuple[Nodes, Neighbours, Degrees]:
    """Cut off spurs, and join what is left.

    Args:
        table: (m + 1, 8) of all pixels, see `neighbours_of`.
        left: (m + 1,) whether a pixel is of the skeleton; changed in place.
        pixels: (m,) indices into the canvas.
        distance: (m + 1,) of each pixel to the background, pixels.
        stride: of the canvas.

    Returns:
        The pixels that are left, as positions in the list of all; their graph.
    """
    nodes = _set_in(left)
    neighbours, degree = join(table, left, nodes)
    for _ in range(PRUNE_ROUNDS):
        spurs, found = _spurs(neighbours, degree, nodes, pixels, distance, stride)
        if not found:
            break
        for node in range(len(nodes)):
            left[nodes[node]] = not spurs[node]
        nodes = _set_in(left)
        neighbours, degree = join(table, left, nodes)
    return nodes, neighbours, degree


@compiled
def _set_in(left: Mask) -> Nodes:
    """The pixels of the skeleton, as positions in the list of all: `np.flatnonzero`, without a branch."""
    nodes, count = np.empty(len(left), np.uint32), 0
    for k in range(len(left)):
        nodes[count] = k
        count += left[k]
    return nodes[:count]


@compiled
def _spurs(
    neighbours: Neighbours, degree: Degrees, nodes: Nodes, pixels: Indices, distance: NDArray[np.float32], stride: int
) -> tuple[Mask, bool]:
    """(n,) whether a node is of a branch with a free end that is no longer than the limit at its junction; any is."""
    spurs, found = np.zeros(len(degree), np.bool_), False
    longest = 0.0
    for node in range(len(degree)):
        if degree[node] >= 3:
            longest = max(longest, _reach(distance[nodes[node]]))
    for end in range(len(degree)):
        if degree[end] != 1:
            continue
        before, here, length, steps = len(degree), end, 0.0, 0
        while steps < int(longest):
            before, here = here, onwards(neighbours, here, before)
            across = abs(pixels[nodes[here]] - pixels[nodes[before]])
            length += 1.0 if across == 1 or across == stride else np.sqrt(2.0)
            steps += 1
            if degree[here] != 2:
                break
        if degree[here] >= 3 and length <= _reach(distance[nodes[here]]):
            before, here, found = len(degree), end, True
            for _ in range(steps):
                spurs[here] = True
                before, here = here, onwards(neighbours, here, before)
    return spurs, found


@compiled
def _reach(radius: np.float32) -> float:
    return 1.5 * float(radius) + 1


@compiled
def smooth(neighbours: Neighbours, degree: Degrees, x: Floats, y: Floats, rounds: int) -> tuple[Floats, Floats]:
    """Move each node half-way to the mean of its neighbours, `rounds` times; free ends stay where they are.

    Args:
        neighbours, degree: of n nodes.
        x, y: (n + 1,) places; the last is that of the neighbour that is not there: zero.
        rounds: how often.
    """
    new_x, new_y = np.zeros_like(x), np.zeros_like(y)
    for _ in range(rounds):
        for k in range(len(degree)):
            if degree[k] >= 2:
                right, below, left, above = neighbours[k]
                share = 0.5 / degree[k]
                new_x[k] = 0.5 * x[k] + share * ((x[right] + x[below]) + (x[left] + x[above]))
                new_y[k] = 0.5 * y[k] + share * ((y[right] + y[below]) + (y[left] + y[above]))
            else:
                new_x[k], new_y[k] = x[k], y[k]
        x, new_x = new_x, x
        y, new_y = new_y, y
    return x, y


@compiled
def diffuse(neighbours: Neighbours, degree: Degrees, values: Floats, rounds: int) -> Floats:
    """Average (n + 1,) values along the lines, the last of them zero, by `rounds` rounds of exchange."""
    new = np.zeros_like(values)
    for _ in range(rounds):
        for k in range(len(degree)):
            right, below, left, above = neighbours[k]
            total = (values[right] + values[below]) + (values[left] + values[above])
            new[k] = values[k] + (total - degree[k] * values[k]) / 4
        values, new = new, values
    return values
