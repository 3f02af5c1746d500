"""Thinning of a binary image to lines of one pixel, with work in proportion to the pixels set, not to the frame.

The rule is that of Guo and Hall, "Parallel thinning with two-subiteration algorithms", CACM 32(3), 1989, algorithm
A1; the result equals `skimage.morphology.thin`. That function visits every pixel of the frame in each round, which
costs 0.3 s and more where a crack crosses a frame of 12 megapixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.components import Indices, empty_map
from fissura.imaging.images import Mask

LEFT, RIGHT, CENTRE = 1, 2, 4  # what a pixel knows of its row; CENTRE and above: it is set itself
SIFTED_PER_REMOVED = 16  # what looking at a pixel's neighbours costs, in pixels looked at in any case


def goes(n: bool, ne: bool, e: bool, se: bool, s: bool, sw: bool, w: bool, nw: bool) -> tuple[bool, bool]:
    """Whether a pixel with these neighbours goes, in the first and in the second half-round."""
    branches = (not n and (ne or e)) + (not e and (se or s)) + (not s and (sw or w)) + (not w and (nw or n))
    pairs = min((nw or n) + (ne or e) + (se or s) + (sw or w), (n or ne) + (e or se) + (s or sw) + (w or nw))
    if branches != 1 or not 2 <= pairs <= 3:  # keeps the component whole, and keeps line ends
        return False, False
    return not ((n or ne or not se) and e), not ((s or sw or not nw) and w)


def _removable() -> NDArray[np.uint8]:
    """(2, 64): which pixels go, by half-round and by their own row (3 bits) and the row above (3 bits).

    Of the eight bits of an entry, number i is that of a pixel whose row below reads i.
    """
    table = np.zeros((2, 64), np.uint8)
    for code in range(512):
        nw, ne, n, w, e, centre, sw, se, s = (bool(code >> bit & 1) for bit in range(9))
        if centre:
            for half, removed in enumerate(goes(n, ne, e, se, s, sw, w, nw)):
                table[half, code % 64] |= removed << code // 64
    return table


_REMOVABLE = _removable()


def thin(canvas: Mask, pixels: Indices, border: Indices) -> Indices:
    """Peel components down to their skeletons.

    A pixel's fate depends on its eight neighbours alone. So once few go, only the neighbours of removed pixels are
    looked at again, in both half-rounds that follow; as long as many go, looking at all costs less than telling which.

    Args:
        canvas: (H + 2, W + 2) contiguous bool with a frame of False; changed in place.
        pixels: the components' pixels, indices into `canvas.ravel()`.
        border: those that have background among their four neighbours.

    Returns:
        The pixels that are left, in the order of `pixels`.
    """
    flat, stride = canvas.reshape(-1), canvas.shape[1]
    # Each pixel with its left and right neighbour, so that three look-ups tell a neighbourhood instead of eight.
    rows = np.zeros(canvas.size, np.uint8)
    rows[pixels] = CENTRE
    rows[pixels + 1] += LEFT
    rows[pixels - 1] += RIGHT
    half_rounds = itertools.cycle([0, 1])
    due = _sift(rows, pixels, border, stride, half_rounds)
    _track(rows, due, stride, half_rounds)
    left = rows.take(pixels) >= CENTRE
    flat[pixels] = left
    return pixels.compress(left)


def _sift(
    rows: NDArray[np.uint8], pixels: Indices, border: Indices, stride: int, half_rounds: Iterator[int]
) -> tuple[Indices, Indices]:
    """Half-rounds that look at all pixels, until few go. Returns what is due for a look after the last two."""
    latest = _peel(rows, border, stride, next(half_rounds))
    if SIFTED_PER_REMOVED * len(latest) < len(pixels):
        return border, _touched(rows, latest, stride)
    while True:
        earlier, latest = latest, _peel(rows, pixels, stride, next(half_rounds))
        pixels = pixels.compress(rows.take(pixels) >= CENTRE)
        if SIFTED_PER_REMOVED * (len(earlier) + len(latest)) <= len(pixels):
            return _touched(rows, earlier, stride), _touched(rows, latest, stride)


def _track(rows: NDArray[np.uint8], due: tuple[Indices, Indices], stride: int, half_rounds: Iterator[int]) -> None:
    """Half-rounds that look at the neighbours of what went in the last two, until there are none."""
    earlier, latest = due
    while len(earlier) or len(latest):
        looked_at = _distinct(np.concatenate([earlier, latest]), rows.size)
        earlier, latest = latest, _touched(rows, _peel(rows, looked_at, stride, next(half_rounds)), stride)


def _touched(rows: NDArray[np.uint8], removed: Indices, stride: int) -> Indices:
    """The neighbours of removed pixels that are set, some of them more than once."""
    if not len(removed):
        return removed
    around = np.array([[-stride], [1 - stride], [1], [stride + 1], [stride], [stride - 1], [-1], [-stride - 1]])
    touched = (removed + around).reshape(-1)
    return touched.compress(rows.take(touched) >= CENTRE)


def _peel(rows: NDArray[np.uint8], pixels: Indices, stride: int, half: int) -> Indices:
    """One half-round: removes pixels from `rows`, and returns them."""
    code = rows.take(pixels)
    code <<= 3
    code |= rows.take(pixels - stride)
    goes = _REMOVABLE[half].take(code)
    goes >>= rows.take(pixels + stride)
    goes &= 1
    gone = pixels.compress(goes)
    if len(gone):
        rows[gone] -= CENTRE
        rows[gone + 1] -= LEFT
        rows[gone - 1] -= RIGHT
    return gone


def _distinct(pixels: Indices, size: int) -> Indices:
    """Each pixel once: of those that write their number to the same place, the one that is read there."""
    owner = empty_map(size, len(pixels))
    numbers = np.arange(len(pixels), dtype=owner.dtype)
    owner[pixels] = numbers
    return pixels.compress(owner.take(pixels) == numbers)
