"""Which crack of a frame belongs to which event: they lie at the same place.

Each side's outlines are drawn into a label map of at most 320 pixels, and the other side's points say what they lie
in. All margins are drawn first, then all outlines as they are, long ones before short ones: a point beside its crack,
as registration and the network leave it, still finds it, and one that lies in a crack finds no neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.crack_outline import Outline

MOST_PX = 320  # of a map's longer side: cracks are told apart by places, not by pixels
MARGIN_PX = 3.0  # of the map: what registration, perspective and the network's edge are off together; or the width
LEAST_SHARE = 0.3  # of the points: half of a crack may be missed in a frame; a neighbour's margin holds less
SUBPIXEL_BITS = 4

Shares = NDArray[np.float64]
Labels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Match:
    """What belongs together.

    Attributes:
        owner: of each crack, the number of its event; None: it has none.
        joined_to: of each event, the number of the one that it turns out to be part of: an older one, or itself.
        seen_again: (outlines, cracks) share of each outline's points that lie in each crack, in the events' order.
    """

    owner: list[int | None]
    joined_to: list[int]
    seen_again: Shares

    def pieces_of(self, event: int | None) -> list[int]:
        """The numbers of an event's cracks; of None: of those without one."""
        return [crack for crack, owner in enumerate(self.owner) if owner == event]


def match(events: Sequence[Sequence[Outline]], cracks: Sequence[Outline], size: tuple[int, int]) -> Match:
    """Match the cracks of a frame with the events before it.

    An event and a crack fit where 0.3 of the points of an outline of either lie in the other. Each event follows the
    crack that it fits best, and each crack the event: so a neighbour that is touched is not drawn in, while a crack
    that covers two events joins them, and the pieces of a crack that has come apart stay with its event.

    Args:
        events: the outlines of each, all in view; the oldest event first.
        cracks: of the frame.
        size: height and width of the frame, pixels.
    """
    outlines = [outline for event in events for outline in event]
    of_event = np.repeat(np.arange(len(events)), [len(event) for event in events])
    joined_to = list(range(len(events)))
    if not outlines or not cracks:
        return Match([None] * len(cracks), joined_to, np.zeros((len(outlines), len(cracks))))
    seen_again = _shares(outlines, _drawn(cracks, np.arange(len(cracks)), size), len(cracks), size)
    fit = _shares(cracks, _drawn(outlines, of_event, size), len(events), size).T
    np.maximum.at(fit, of_event, seen_again)
    favourite = fit.argmax(axis=0)  # of each crack; of equal ones the oldest
    for event, crack in enumerate(fit.argmax(axis=1)):
        if fit[event, crack] >= LEAST_SHARE:
            one, other = _root(joined_to, event), _root(joined_to, int(favourite[crack]))
            joined_to[max(one, other)] = min(one, other)
    joined_to = [_root(joined_to, event) for event in range(len(events))]
    fits = fit.max(axis=0) >= LEAST_SHARE
    owner = [joined_to[event] if good else None for event, good in zip(favourite.tolist(), fits.tolist(), strict=True)]
    return Match(owner, joined_to, seen_again)


def spacing_px(size: tuple[int, int]) -> float:
    """How far apart points are to lie, camera-frame pixels: twice the map's pixel."""
    return 2 / _scale(size)


def _root(joined_to: Sequence[int], event: int) -> int:
    while joined_to[event] != event:
        event = joined_to[event]
    return event


def _scale(size: tuple[int, int]) -> float:
    return min(1.0, MOST_PX / max(size))


def _shares(outlines: Sequence[Outline], drawn: Labels, labels: int, size: tuple[int, int]) -> Shares:
    """(outlines, labels) share of each outline's points that lie in each label."""
    counts = np.array([len(outline.points) for outline in outlines])
    points = np.concatenate([outline.points for outline in outlines])
    x, y = np.rint((points + 0.5) * _scale(size) - 0.5).astype(np.intp).T
    height, width = drawn.shape
    found = drawn[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    pairs = np.repeat(np.arange(len(outlines)), counts) * (labels + 1) + found
    votes = np.bincount(pairs, minlength=len(outlines) * (labels + 1)).reshape(len(outlines), labels + 1)
    return votes[:, 1:] / np.maximum(counts, 1)[:, None]


def _drawn(outlines: Sequence[Outline], labels: NDArray[np.intp], size: tuple[int, int]) -> Labels:
    """A map of the label that each place has, plus 1; 0: none."""
    scale = _scale(size)
    drawn = np.zeros((max(1, round(scale * size[0])), max(1, round(scale * size[1]))), np.int32)
    there = [number for number, outline in enumerate(outlines) if len(outline.points)]
    order = sorted(there, key=lambda number: -len(outlines[number].points))
    shapes = [_fixed_point((outlines[number].points + 0.5) * scale - 0.5) for number in order]
    values = [int(labels[number]) + 1 for number in order]
    for number, shape, value in zip(order, shapes, values, strict=True):
        margin = max(MARGIN_PX, scale * outlines[number].width_px)
        cv2.polylines(drawn, [shape], True, value, 2 * round(margin) + 1, cv2.LINE_8, SUBPIXEL_BITS)
    for shape, value in zip(shapes, values, strict=True):
        cv2.fillPoly(drawn, [shape], value, cv2.LINE_8, SUBPIXEL_BITS)
    return drawn


def _fixed_point(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
