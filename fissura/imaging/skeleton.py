"""The skeleton as a graph of pixels: spurs are cut off, lines are smoothed, lengths are read off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.components import Floats, Indices, sum_by
from fissura.imaging.images import Mask

PRUNE_ROUNDS = 3


@dataclass(frozen=True)
class SkeletonGraph:
    """Pixels of thin lines and the steps between neighbours.

    Attributes:
        nodes: (n,) pixels, indices into the flat canvas, ascending.
        start, end: (m,) the steps, as positions in `nodes`. A diagonal step is left out where the same two pixels
            are joined around a corner, so that no corner counts twice.
    """

    nodes: Indices
    start: Indices
    end: Indices

    @cached_property
    def degree(self) -> Indices:
        """(n,) steps at each node: 1 at an end, 2 along a line, 3 and more at a junction."""
        size = len(self.nodes)
        return np.bincount(self.start, minlength=size) + np.bincount(self.end, minlength=size)

    def sum_of_neighbours(self, values: Floats) -> Floats:
        """(n,) for (n,): at each node, the sum of its neighbours' values."""
        size = len(self.nodes)
        return sum_by(self.start, values[self.end], size) + sum_by(self.end, values[self.start], size)


def build(canvas: Mask, nodes: Indices) -> SkeletonGraph:
    """Join the pixels of a skeleton.

    Args:
        canvas: (H + 2, W + 2) contiguous bool: the skeleton, inside a frame of False.
        nodes: its pixels, ascending.
    """
    flat, stride = canvas.reshape(-1), canvas.shape[1]
    start, end = [], []
    for step, around_the_corner in ((1, ()), (stride, ()), (stride + 1, (1, stride)), (stride - 1, (-1, stride))):
        joined = flat[nodes + step]
        for corner in around_the_corner:
            joined &= ~flat[nodes + corner]
        start.append(np.flatnonzero(joined))
        end.append(np.searchsorted(nodes, nodes[joined] + step))
    return SkeletonGraph(nodes, np.concatenate(start), np.concatenate(end))


def prune(canvas: Mask, graph: SkeletonGraph, distance: NDArray[np.float32]) -> SkeletonGraph:
    """Cut off spurs: branches with a free end that hardly leave the inside of the crack they hang on.

    A rough outline grows such branches in any thinning, and so do the corners of a blunt end. A corner lies 1.42 radii
    from the junction; up to two more pixels of roughness are cut off as well.

    Args:
        canvas: the skeleton, see `build`; changed in place.
        graph: of that canvas.
        distance: of each pixel of the canvas to the background, pixels.
    """
    for _ in range(PRUNE_ROUNDS):  # a cut joins two branches into one, which may be a spur in turn
        reach = 1.5 * distance.reshape(-1)[graph.nodes].astype(np.float64) + 1
        spurs = _spurs(graph, reach, canvas.shape[1])
        if not spurs.any():
            break
        canvas.reshape(-1)[graph.nodes[spurs]] = False
        graph = build(canvas, graph.nodes[~spurs])
    return graph


def smooth(graph: SkeletonGraph, places: Floats, rounds: int) -> Floats:
    """Move each node half-way to the mean of its neighbours, `rounds` times; free ends stay where they are.

    On a line one round is the kernel (1, 2, 1) / 4, so n rounds are a Gaussian of sigma = sqrt(n / 2) steps.

    Args:
        graph: the skeleton.
        places: (n, 2) positions, pixels.
        rounds: how often.

    Returns:
        (n, 2) positions.
    """
    degree, size = graph.degree, len(graph.nodes)
    share = np.tile(np.where(degree >= 2, 0.5 / np.maximum(degree, 1), 0.0), 2)
    own = np.tile(np.where(degree >= 2, 0.5, 1.0), 2)
    # x and y as one graph of two parts that do not touch: half the calls.
    twice = SkeletonGraph(
        np.concatenate([graph.nodes, graph.nodes]),
        np.concatenate([graph.start, graph.start + size]),
        np.concatenate([graph.end, graph.end + size]),
    )
    flat = places.T.reshape(-1)
    for _ in range(rounds):
        flat = own * flat + share * twice.sum_of_neighbours(flat)
    return flat.reshape(2, size).T


def diffuse(graph: SkeletonGraph, values: Floats, rounds: int) -> Floats:
    """Average values along the lines: `rounds` rounds of exchange between neighbours, sigma = sqrt(rounds / 2) steps.

    The sum is kept. Along a line one round is the kernel (1, 2, 1) / 4.
    """
    degree = graph.degree
    for _ in range(rounds):
        # A junction of more than four branches would overshoot with a quarter each.
        values = values + (graph.sum_of_neighbours(values) - degree * values) / max(4, int(degree.max(initial=0)))
    return values


def _spurs(graph: SkeletonGraph, limit_at: Floats, stride: int) -> Mask:
    """(n,) the nodes of all branches that have a free end and are no longer than the limit at their junction.

    Free ends are few and spurs short: walking from each of them costs less than telling all branches apart.
    """
    nodes, degree = graph.nodes, graph.degree
    junction = degree >= 3
    spurs = np.zeros(len(nodes), bool)
    here = np.flatnonzero(degree == 1)
    longest = float(limit_at[junction].max(initial=0))
    if not longest or not len(here):
        return spurs
    # The sum of a node's neighbours: less the one it was come from, it is the one to go to.
    both = graph.sum_of_neighbours(np.arange(len(nodes), dtype=np.float64)).astype(np.int64)
    before, length, branch = np.zeros_like(here), np.zeros(len(here)), np.arange(len(here))
    short = np.zeros(len(here), bool)
    walked: list[tuple[Indices, Indices]] = []
    while len(here):
        walked.append((branch, here))
        after = both[here] - before
        difference = np.abs(nodes[after] - nodes[here])
        length = length + np.where((difference == 1) | (difference == stride), 1.0, np.sqrt(2))
        short[branch[junction[after] & (length <= limit_at[after])]] = True
        going = (degree[after] == 2) & (length <= longest)
        before, here, length, branch = here[going], after[going], length[going], branch[going]
    for branch, passed in walked:
        spurs[passed[short[branch]]] = True
    return spurs
