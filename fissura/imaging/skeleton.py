"""The skeleton as a graph of pixels: spurs are cut off, lines are smoothed, lengths are read off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.components import Floats, Indices, empty_map
from fissura.imaging.images import Mask

PRUNE_ROUNDS = 3
STEPS_AT_FIRST = 24  # of a walk; the few that have farther to go set out once more


@dataclass(frozen=True)
class SkeletonGraph:
    """Pixels of thin lines and the steps between neighbours.

    A diagonal step is left out where the same two pixels are joined around a corner, so that no corner counts twice.
    That leaves a node with one neighbour at most to the right or below right, one below or below left, one to the left
    or above left, and one above or above right.

    Attributes:
        nodes: (n,) pixels, indices into the flat canvas, ascending.
        neighbours: (4, n) a row for each of those four, as positions in `nodes`; n where there is none.
        steps: (4, n) bool, whether there is a step to the right, below, below right and below left.
        degree: (n,) steps at each node: 1 at an end, 2 along a line, 3 and 4 at a junction.
    """

    nodes: Indices
    neighbours: Indices
    steps: Mask
    degree: Indices

    @cached_property
    def _from(self) -> Indices:
        """(m,) the steps, as indices into the first two rows of `neighbours`, laid flat."""
        return np.flatnonzero(self.steps) % (2 * len(self.nodes))

    @cached_property
    def start(self) -> Indices:
        """(m,) where each step starts, as positions in `nodes`."""
        return self._from % len(self.nodes)

    @cached_property
    def end(self) -> Indices:
        """(m,) where each step ends, as positions in `nodes`."""
        return self.neighbours.take(self._from)

    def sum_of_neighbours(self, values: Floats) -> Floats:
        """(n,) for (n,): at each node, the sum of its neighbours' values."""
        padded = np.zeros(len(values) + 1)
        padded[:-1] = values
        right, below, left, above = padded.take(self.neighbours)
        return np.asarray((right + below) + (left + above))

    def walk(self, ends: Indices, steps: int) -> tuple[Indices, Mask]:
        """Paths from free ends along their lines.

        Args:
            ends: (k,) nodes of degree 1.
            steps: how far to go, 1 at least.

        Returns:
            (steps + 1, k) nodes; (steps + 1, k) whether the path still goes there: the first node that is a junction or
            another end is its last. The nodes after it mean nothing.
        """
        # A node's two neighbours exclusive-or'ed: once more with the one it was come from, it is the one to go to.
        both = np.bitwise_xor.reduce(self.neighbours, axis=0)
        path = np.empty((steps + 1, len(ends)), np.int64)
        before, here = np.full_like(ends, len(self.nodes)), ends
        path[0] = ends
        for after in path[1:]:
            both.take(here, out=after, mode="clip")
            after ^= before
            before, here = here, after
        np.minimum(path, len(self.nodes) - 1, out=path)
        there = np.ones(path.shape, bool)
        np.logical_and.accumulate((self.degree == 2).take(path[1:-1]), axis=0, out=there[2:])
        return path, there


def build(canvas: Mask, nodes: Indices) -> SkeletonGraph:
    """Join the pixels of a skeleton.

    Args:
        canvas: (H + 2, W + 2) contiguous bool: the skeleton, inside a frame of False.
        nodes: its pixels, ascending.
    """
    flat, stride = canvas.reshape(-1), canvas.shape[1]
    straight = np.array([[1], [stride], [-1], [-stride]])
    diagonal = np.array([[stride + 1], [stride - 1], [-stride - 1], [1 - stride]])  # each between two of `straight`
    on_side, on_corner = nodes + straight, nodes + diagonal
    sides, corners = flat.take(on_side), flat.take(on_corner)
    corners &= ~(sides | sides[[1, 2, 3, 0]])
    position = empty_map(canvas.size, len(nodes))
    position[nodes] = np.arange(len(nodes), dtype=position.dtype)
    some = sides | corners
    found = position.take(np.where(sides, on_side, on_corner)).astype(np.int64)
    neighbours = np.where(some, found, len(nodes))
    degree = np.add.reduce(some, axis=0, dtype=np.int64)
    return SkeletonGraph(nodes, neighbours, np.concatenate([sides[:2], corners[:2]]), degree)


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
        reach = 1.5 * distance.take(graph.nodes).astype(np.float64) + 1
        spurs = _spurs(graph, reach, canvas.shape[1])
        if not len(spurs):
            break
        flat = canvas.reshape(-1)
        flat[graph.nodes.take(spurs)] = False
        graph = build(canvas, graph.nodes.compress(flat.take(graph.nodes)))
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
    share = np.repeat(np.where(degree >= 2, 0.5 / np.maximum(degree, 1), 0.0), 2)
    own = np.repeat(np.where(degree >= 2, 0.5, 1.0), 2)
    # x and y as one complex number: half the calls. The last is the neighbour that is not there.
    padded = np.zeros(size + 1, np.complex128)
    line = padded.view(np.float64)[:-2]
    line[:] = places.reshape(-1)
    taken = np.empty((4, size), np.complex128)
    right, below, left, above = taken
    total = right.view(np.float64)
    for _ in range(rounds):
        padded.take(graph.neighbours, out=taken, mode="clip")
        right += below
        left += above
        right += left
        total *= share
        line *= own
        line += total
    return line.reshape(size, 2)


def diffuse(graph: SkeletonGraph, values: Floats, rounds: int) -> Floats:
    """Average values along the lines: `rounds` rounds of exchange between neighbours, sigma = sqrt(rounds / 2) steps.

    The sum is kept. Along a line one round is the kernel (1, 2, 1) / 4.
    """
    for _ in range(rounds):
        values = values + (graph.sum_of_neighbours(values) - graph.degree * values) / 4
    return values


def _spurs(graph: SkeletonGraph, limit_at: Floats, stride: int) -> Indices:
    """The nodes of all branches that have a free end and are no longer than the limit at their junction.

    Free ends are few and spurs short: walking from each of them costs less than telling all branches apart.
    """
    junction = graph.degree >= 3
    ends = np.flatnonzero(graph.degree == 1)
    spurs = [ends[:0]]
    longest = int(limit_at.compress(junction).max(initial=0))  # no step is shorter than 1
    steps = min(longest, STEPS_AT_FIRST)
    while steps and len(ends):
        path, there = graph.walk(ends, steps)
        across = np.abs(np.diff(graph.nodes.take(path), axis=0))
        length = np.cumsum(np.where((across == 1) | (across == stride), 1.0, np.sqrt(2)), axis=0)
        before, here = path[:-1], path[1:]
        met = there[1:] & junction.take(here) & (length <= limit_at.take(here))
        # A path meets one junction at most, and is a spur up to there.
        spurs.append(before[there[:-1] & np.logical_or.accumulate(met[::-1], axis=0)[::-1]])
        if steps == longest:
            break
        ends, steps = ends.compress(there[-1]), min(2 * steps, longest)
    return np.concatenate(spurs)
