"""Connected components by union-find: one pass over the pixels that are set, one over their numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import compiled, kept
from fissura.imaging.compiled.neighbours import NORTH, NORTH_EAST, NORTH_WEST, WEST, Table, neighbours_of
from fissura.imaging.components import Indices
from fissura.imaging.images import Mask


@kept
def label(pixels: Indices, stride: int, least_sides: float) -> tuple[Indices, Indices, Mask, int, Table]:
    """8-connected components whose outlines, counted in pixel sides, are long enough.

    Args:
        pixels: all that are set of a flat canvas with a frame of background, ascending.
        stride: of the canvas.
        least_sides: components with fewer open sides are left out.

    Returns:
        The components' pixels; the component of each, numbered by their first pixels; whether one of its four
        neighbours is background; the number of components; the pixels' neighbours, see `neighbours_of`.
    """
    size = len(pixels)
    table = neighbours_of(pixels, stride)
    parent, sides_of = np.empty(size, np.int64), np.zeros(size, np.int64)
    labels, sides = np.empty(size, np.int64), np.empty(size, np.int8)
    count = 0
    for k in range(size):
        mine = count
        for side in (WEST, NORTH_WEST, NORTH, NORTH_EAST):  # these have a number already
            if table[k, side] < size:
                other = _root(parent, labels[table[k, side]])
                if mine < other:
                    parent[other] = mine
                elif other < mine:
                    if mine < count:
                        parent[mine] = other
                    mine = other
        if mine == count:
            parent[mine] = mine
            count += 1
        labels[k] = mine
        sides[k] = 0
        for side in range(0, 8, 2):
            sides[k] += table[k, side] == size
    for k in range(size):
        labels[k] = _root(parent, labels[k])
        sides_of[labels[k]] += sides[k]
    left, labels, on_border, total = _sieved(pixels, labels, sides, sides_of[:count], least_sides)
    if len(left) < size:
        table = neighbours_of(left, stride)
    return left, labels, on_border, total, table


@compiled
def _root(parent: Indices, number: int) -> int:
    """The smallest number of a component; the way there is halved for the next one."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number


@compiled
def _sieved(
    pixels: Indices, labels: Indices, sides: NDArray[np.int8], sides_of: Indices, least_sides: float
) -> tuple[Indices, Indices, Mask, int]:
    new_number = np.full(len(sides_of), -1, np.int64)
    total = 0
    for number in range(len(sides_of)):  # one that is no component's root has no sides
        if sides_of[number] >= least_sides:
            new_number[number] = total
            total += 1
    new_pixels, new_labels = np.empty_like(pixels), np.empty_like(labels)
    on_border = np.empty(len(pixels), np.bool_)
    left = 0
    for k in range(len(pixels)):
        number = new_number[labels[k]]
        if number >= 0:
            new_pixels[left], new_labels[left], on_border[left] = pixels[k], number, sides[k] > 0
            left += 1
    return new_pixels[:left], new_labels[:left], on_border[:left], total
